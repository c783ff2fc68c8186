import type { Kernel } from "../../../ir/program/program.js";
import { CUDA_ARGUMENT_BYTES, CUDA_HEADER_BYTES, cudaArgumentBytes } from "../../../targets/cuda/abi.js";

/** Rows of an argument in device memory. */
export interface PackedArgument {
  /** Address of row 0 at step 0. */
  readonly address: bigint;
  /** Elements from one row to the next. */
  readonly stride: number;
  /** Elements that a step moves row 0 by. */
  readonly stepStride: number;
}

export interface LaunchArguments {
  readonly rows: number;
  /** Device address of the step index. */
  readonly step: bigint;
  readonly args: readonly PackedArgument[];
  readonly scalars: readonly number[];
}

/** The `Arguments` of a kernel as `targets/cuda/abi.ts` lays them out. */
export function packArguments(
  kernel: Pick<Kernel, "args" | "scalars">,
  launch: LaunchArguments,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(cudaArgumentBytes(kernel));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, launch.rows, true);
  view.setBigUint64(8, launch.step, true);
  for (const [i, { address, stride, stepStride }] of launch.args.entries()) {
    const at = CUDA_HEADER_BYTES + CUDA_ARGUMENT_BYTES * i;
    view.setBigUint64(at, address, true);
    view.setUint32(at + 8, stride, true);
    view.setUint32(at + 12, stepStride, true);
  }
  const first = CUDA_HEADER_BYTES + CUDA_ARGUMENT_BYTES * kernel.args.length;
  for (const [i, type] of kernel.scalars.entries()) {
    const value = launch.scalars[i] ?? 0;
    if (type === "f32") view.setFloat32(first + 4 * i, value, true);
    else view.setUint32(first + 4 * i, value, true);
  }
  return bytes;
}
