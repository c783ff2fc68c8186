import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { roundToBfloat, roundToHalf } from "../../ir/constant/float16.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { codeBytes, factorBytes, type StoredFloats } from "../pack/coded-matrix.js";
import { createCodedReader } from "../pack/coded-rows.js";
import { storedMatrix } from "../pack/stored-matrix.js";
import type { LosslessGroup } from "./found-group.js";

/** Bytes of codes that are held at a time. */
const CHUNK_BYTES = 1 << 22;

/**
 * As `losslessGroup` for a weight that is stored as rows of codes, by which codes each group has: no value is made. Null
 * where that does not tell, as of groups with more values than one magnitude and 0, which smaller ones may not have.
 */
export function codedGroup(
  weight: Constant,
  reader: ByteReader,
  sizes: readonly (GroupSize | null)[],
  mostRows: number,
): LosslessGroup | null | undefined {
  const coded = storedMatrix(weight)?.coded;
  if (coded == null) return null;
  const { matrix, start } = coded;
  const { form, width } = matrix;
  const rows = Math.min(weight.shape[0] ?? 0, mostRows);
  const groups = Math.ceil(width / form.size);
  if (sizes.some((size) => size !== null && size > form.size && size % form.size !== 0)) return null;
  const { floats, levels } = createCodedReader();
  const [rowBytes, factorRow] = [codeBytes(matrix), factorBytes(matrix)];
  const sets = codeSets(form.bits);
  const left = [...sizes];
  const types = new Set<"f16" | "bf16">(["f16", "bf16"]);
  const values = new Float32Array(1 << form.bits);
  const magnitudes = new Float32Array(groups);
  const step = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  for (let first = 0, next = 1; first < rows; first = next, next = first + step) {
    const last = Math.min(rows, next);
    const factors = [matrix.scales, matrix.biases].map((stored) =>
      stored === null
        ? null
        : floats(read(stored, start + first, last - first, factorRow, reader), form.scaleType),
    );
    const at = matrix.offset + (start + first) * rowBytes;
    const codes = reader.read(matrix.file, at, (last - first) * rowBytes);
    let byte = 0;
    for (let row = 0; row < last - first; row++) {
      for (let group = 0; group < groups; group++) {
        const end = byte + (Math.min(form.size, width - group * form.size) * form.bits) / 8;
        let used = 0;
        for (; byte < end; byte++) used |= sets[codes[byte]!]!;
        const index = row * groups + group;
        levels(form, factors[0]?.[index] ?? 0, factors[1]?.[index] ?? 0, values);
        const magnitude = magnitudeOf(used, values);
        if (magnitude === undefined) return form.size > 32 ? null : undefined;
        magnitudes[group] = magnitude;
        if (form.type !== "f16" && magnitude !== 0) narrow(types, magnitude);
      }
      while (left[0] !== undefined && !isUniform(magnitudes, left[0], form.size)) left.shift();
      if (left.length === 0) return undefined;
    }
  }
  const [group] = left;
  return group === undefined ? undefined : { group, scales: [...types][0] ?? "f32" };
}

function read(
  stored: StoredFloats,
  row: number,
  rows: number,
  rowBytes: number,
  reader: ByteReader,
): Uint8Array {
  if ("bytes" in stored) return stored.bytes.subarray(row * rowBytes, (row + rows) * rowBytes);
  return reader.read(stored.file, stored.offset + row * rowBytes, rows * rowBytes);
}

/** The set of the codes in each byte. */
function codeSets(bits: number): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let set = 0;
    for (let at = 0; at < 8; at += bits) set |= 1 << ((byte >> at) & ((1 << bits) - 1));
    return set;
  });
}

/** The one magnitude of these codes' values besides 0; 0 where there is none, undefined where there are several. */
function magnitudeOf(used: number, values: Float32Array): number | undefined {
  let found = 0;
  for (let code = 0; code < values.length; code++) {
    if ((used & (1 << code)) === 0) continue;
    const magnitude = Math.abs(values[code]!);
    if (magnitude === 0 || magnitude === found) continue;
    if (found !== 0 || Number.isNaN(magnitude)) return undefined;
    found = magnitude;
  }
  return found;
}

/** Whether those of each `size` elements of a row, `own` of which have one magnitude, are one besides 0. */
function isUniform(magnitudes: Float32Array, size: GroupSize | null, own: number): boolean {
  const count = size === null ? magnitudes.length : Math.max(1, size / own);
  for (let first = 0; first < magnitudes.length; first += count) {
    let found = 0;
    for (let i = first; i < Math.min(first + count, magnitudes.length); i++) {
      const magnitude = magnitudes[i]!;
      if (magnitude === 0 || magnitude === found) continue;
      if (found !== 0) return false;
      found = magnitude;
    }
  }
  return true;
}

function narrow(types: Set<"f16" | "bf16">, scale: number): void {
  if (types.has("f16") && roundToHalf(scale) !== scale) types.delete("f16");
  if (types.has("bf16") && roundToBfloat(scale) !== scale) types.delete("bf16");
}
