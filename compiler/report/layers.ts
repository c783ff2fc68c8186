import { byteLength } from "../../ir/dtype.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { type GroupSize, groupSizeOf } from "../../ir/ternary/groups.js";
import type { TensorStorage } from "../account/tensor-bytes.js";

/** A matrix of a linear layer, or of several that share their input. */
export interface Layer {
  /** Its role, such as `double.0.img.qkv`. */
  readonly role: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly ternary: boolean;
  /** Inputs that share a scale; null where rows have one, and for dense weights. */
  readonly group: GroupSize | null;
  /** Bytes in the weight file and in the device's layout. */
  readonly storedBytes: number;
  readonly deviceBytes: number;
}

/** The matrices that `load` unpacks, in order. */
export function layersOf(program: Program, tensors: readonly TensorStorage[]): readonly Layer[] {
  const stored = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  return launchesThatRun(program, "load").flatMap((launch): readonly Layer[] => {
    const kernel = kernels.get(launch.kernel);
    const [n, k] = [kernel?.params.n, kernel?.params.k];
    if (kernel === undefined || typeof n !== "number" || typeof k !== "number") return [];
    let [storedBytes, deviceBytes, tensor] = [0, 0, launch.label];
    for (const { buffer: id } of launch.args) {
      const buffer = buffers.get(id);
      if (buffer?.storage.kind === "staging") {
        tensor = buffer.storage.tensor;
        storedBytes += stored.get(tensor)?.bytes ?? 0;
      } else if (buffer !== undefined) {
        deviceBytes += byteLength(buffer.dtype, Number(buffer.elements));
      }
    }
    if (stored.get(tensor)?.kind === "scales") return [];
    const role = tensor.replace(/\.(codes|weight)$/, "");
    return [
      {
        role,
        outFeatures: n,
        inFeatures: k,
        ternary: kernel.family !== "unpack-dense",
        group: groupSizeOf(k, stored.get(`${role}.scales`)?.shape ?? []) ?? null,
        storedBytes,
        deviceBytes,
      },
    ];
  });
}
