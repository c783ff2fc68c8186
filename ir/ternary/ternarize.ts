import type { TernaryMethod } from "../constant/constant.js";
import { exactFit } from "./fit.js";
import { type GroupSize, groupRanges } from "./groups.js";

/**
 * Ternarizes one weight row: w ≈ s·t with t in {-1, 0, 1}. Writes the codes and returns the scale s ≥ 0 (f32).
 * Entries must be finite.
 *
 * A row that holds only {-s, 0, s} already keeps its codes and scale, whatever the method: distilled
 * weights pass through without loss.
 */
export function ternarizeRow(row: Float32Array, method: TernaryMethod, out: Int8Array): number {
  const lossless = existingScale(row);
  if (lossless !== undefined) {
    for (let i = 0; i < row.length; i++) out[i] = Math.sign(row[i]!);
    return lossless;
  }
  return method === "exact" ? exactRow(row, out) : absmeanRow(row, out);
}

/** As `ternarizeRow`, each group of inputs by itself; writes the scale of each. */
export function ternarizeGroups(
  row: Float32Array,
  method: TernaryMethod,
  group: GroupSize | null,
  out: Int8Array,
  scales: Float32Array,
): void {
  let i = 0;
  for (const [start, end] of groupRanges(row.length, group))
    scales[i++] = ternarizeRow(row.subarray(start, end), method, out.subarray(start, end));
}

/** The common magnitude of all nonzero entries, or undefined if they differ. 0 for a row of zeros. */
function existingScale(row: Float32Array): number | undefined {
  let scale = 0;
  for (let i = 0; i < row.length; i++) {
    const a = Math.abs(row[i]!);
    if (a === 0 || a === scale) continue;
    if (scale !== 0) return undefined;
    scale = a;
  }
  return scale;
}

/** L2 optimum: with a = |w| descending, k* = argmax (Σ_{i≤k} a_i)²/k and s = mean of the top k*. */
function exactRow(row: Float32Array, out: Int8Array): number {
  const { thresholdBits, scale } = exactFit(row);
  const bits = new Int32Array(row.buffer, row.byteOffset, row.length);
  const below = thresholdBits - 1;
  for (let i = 0; i < row.length; i++) {
    const b = bits[i]!;
    // All ones where |w| ≥ threshold: a branch would be mispredicted for every third weight.
    const kept = (below - (b & 0x7fffffff)) >> 31;
    out[i] = ((b >> 31) | 1) & kept;
  }
  return Math.fround(scale);
}

/** BitNet b1.58: s = mean|w|, t = clip(round(w/s), −1, 1). */
function absmeanRow(row: Float32Array, out: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.abs(row[i]!);
  const scale = sum / row.length;
  for (let i = 0; i < row.length; i++) {
    out[i] = scale === 0 ? 0 : Math.max(-1, Math.min(1, Math.round(row[i]! / scale)));
  }
  return Math.fround(scale);
}
