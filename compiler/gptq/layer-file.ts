import { encodeBytes } from "../../ir/constant/convert.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { codeRowBytes, packCodeRow } from "../../ir/ternary/storage.js";
import type { TernaryRows } from "./gptq.js";
import type { PlannedLayer } from "./plan-model.js";
import type { PlannedFile } from "./planned-file.js";

/** Writes rows of a layer from row `start` on, but for what is lost. */
export async function writeTernaryRows(
  file: PlannedFile,
  layer: PlannedLayer,
  start: number,
  found: TernaryRows,
): Promise<void> {
  const { rows, columns, group, offset, codesBytes } = layer;
  const groups = groupsOf(columns, group);
  const count = found.errors.length;
  const rowBytes = codeRowBytes("trits", columns);
  const packed = new Uint8Array(count * rowBytes);
  for (let r = 0; r < count; r++) {
    const codes = found.codes.subarray(r * columns, (r + 1) * columns);
    packCodeRow("trits", codes, packed.subarray(r * rowBytes, (r + 1) * rowBytes));
  }
  const scales = offset + codesBytes;
  await file.write(packed, offset + start * rowBytes);
  await file.write(encodeBytes("f32", found.scales), scales + 4 * start * groups);
  await file.write(
    encodeBytes("f32", found.bias ?? new Float32Array(count)),
    scales + 4 * (rows * groups + start),
  );
}

/** Writes the sums of a layer's errors and energies. */
export function writeLoss(
  file: PlannedFile,
  { offset, bytes }: PlannedLayer,
  errors: number,
  energies: number,
): Promise<void> {
  return file.write(encodeBytes("f64", Float64Array.of(errors, energies)), offset + bytes - 16);
}

/** What a layer loses of its results' squares. */
export async function readLoss(file: PlannedFile, { offset, bytes }: PlannedLayer): Promise<number> {
  const sums = new Float64Array(2);
  await file.read(new Uint8Array(sums.buffer), offset + bytes - 16);
  const [errors = 0, energies = 0] = sums;
  return energies > 0 ? Math.max(0, errors) / energies : 0;
}
