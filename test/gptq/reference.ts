/** GPTQ as its paper has it, unblocked, in f64: what `compiler/gptq` is checked against. */
import { exactFit } from "../../ir/ternary/fit.js";
import { type GroupSize, groupRanges } from "../../ir/ternary/groups.js";
import { normals } from "../support/random.js";

export interface ReferenceRows {
  readonly codes: Int8Array;
  readonly scales: Float64Array;
}

/** H + 0.01·mean(diag H)·I */
export function damped(h: Float64Array, k: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < k; i++) trace += h[i * k + i]!;
  return h.map((value, i) => (i % (k + 1) === 0 ? value + (0.01 * trace) / k : value));
}

/** The inverse of a positive definite matrix, by Gauss and Jordan. */
export function inverse(matrix: Float64Array, k: number): Float64Array {
  const a = matrix.slice();
  const out = Float64Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0));
  for (let p = 0; p < k; p++) {
    const pivot = a[p * k + p]!;
    for (let j = 0; j < k; j++) {
      a[p * k + j]! /= pivot;
      out[p * k + j]! /= pivot;
    }
    for (let i = 0; i < k; i++) {
      const f = a[i * k + p]!;
      if (i === p || f === 0) continue;
      for (let j = 0; j < k; j++) {
        a[i * k + j]! -= f * a[p * k + j]!;
        out[i * k + j]! -= f * out[p * k + j]!;
      }
    }
  }
  return out;
}

/** U, upper triangular, with UᵀU = the matrix. */
export function upperCholesky(matrix: Float64Array, k: number): Float64Array {
  const u = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = i; j < k; j++) {
      let sum = matrix[i * k + j]!;
      for (let p = 0; p < i; p++) sum -= u[p * k + i]! * u[p * k + j]!;
      u[i * k + j] = i === j ? Math.sqrt(sum) : sum / u[i * k + i]!;
    }
  }
  return u;
}

/** Columns by H's diagonal, descending. */
export function activationOrder(h: Float64Array, k: number): readonly number[] {
  return Array.from({ length: k }, (_, i) => i).sort((a, b) => h[b * k + b]! - h[a * k + a]!);
}

/** Row and column i are what row and column `order[i]` were. */
export function permuted(h: Float64Array, order: readonly number[]): Float64Array {
  const k = order.length;
  return h.map((_, i) => h[order[Math.floor(i / k)]! * k + order[i % k]!]!);
}

/** With groups, all of a row's scales are refitted by one factor. */
export function referenceGptq(
  weights: Float32Array,
  h: Float64Array,
  k: number,
  group: GroupSize | null = null,
): ReferenceRows {
  const order = activationOrder(h, k);
  const hd = permuted(damped(h, k), order);
  const u = upperCholesky(inverse(hd, k), k);
  const n = weights.length / k;
  const codes = new Int8Array(n * k);
  const ranges = [...groupRanges(k, group)];
  const scales = new Float64Array(n * ranges.length);
  for (let r = 0; r < n; r++) {
    const row = weights.subarray(r * k, (r + 1) * k);
    const grid = ranges.map(([start, end]) => Math.fround(exactFit(row.subarray(start, end)).scale));
    const scaleOf = (column: number) => grid[Math.floor(column / (group ?? k))]!;
    const w = Float64Array.from(order, (column) => row[column]!);
    const original = w.slice();
    const t = new Float64Array(k);
    for (let j = 0; j < k; j++) {
      const s = scaleOf(order[j]!);
      const code = Math.max(-1, Math.min(1, Math.round(w[j]! / s)));
      t[j] = s * code;
      const e = (w[j]! - t[j]!) / u[j * k + j]!;
      for (let i = j; i < k; i++) w[i]! -= e * u[j * k + i]!;
      codes[r * k + order[j]!] = code;
    }
    const product = (a: Float64Array, b: Float64Array) => {
      let total = 0;
      for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) total += a[i]! * hd[i * k + j]! * b[j]!;
      return total;
    };
    const factor = product(t, original) / product(t, t);
    for (const [g, s] of grid.entries()) scales[r * ranges.length + g] = factor * s;
  }
  return { codes, scales };
}

/** Ŵ of codes and scales. */
export function roundedWeights(codes: Int8Array, scales: ArrayLike<number>): Float32Array {
  const k = codes.length / scales.length;
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / k)]!);
}

/** The same where groups of inputs have scales. */
export function groupedWeights(
  codes: Int8Array,
  scales: ArrayLike<number>,
  k: number,
  group: GroupSize,
): Float32Array {
  const groups = Math.ceil(k / group);
  return Float32Array.from(
    codes,
    (code, i) => code * scales[Math.floor(i / k) * groups + Math.floor((i % k) / group)]!,
  );
}

/**
 * Weights and moments of inputs whose covariance has the eigenvalues `spectrum(1…k)` in random directions; the sizes of
 * channels then differ by a normal exponent of deviation `spread`.
 */
export function correlated(seed: number, n: number, k: number, spectrum: (i: number) => number, spread = 0) {
  const next = normals(seed);
  const basis = Array.from({ length: k }, () => Float64Array.from({ length: k }, next));
  // Gram and Schmidt.
  for (let i = 0; i < k; i++) {
    const v = basis[i]!;
    for (let j = 0; j < i; j++) {
      const u = basis[j]!;
      let dot = 0;
      for (let p = 0; p < k; p++) dot += u[p]! * v[p]!;
      for (let p = 0; p < k; p++) v[p]! -= dot * u[p]!;
    }
    const length = Math.hypot(...v);
    for (let p = 0; p < k; p++) v[p]! /= length;
  }
  const h = new Float64Array(new SharedArrayBuffer(8 * k * k));
  basis.forEach((v, index) => {
    for (let i = 0; i < k; i++) {
      const f = spectrum(index + 1) * v[i]!;
      for (let j = 0; j < k; j++) h[i * k + j]! += f * v[j]!;
    }
  });
  const size = Float64Array.from({ length: k }, () => Math.exp(spread * next()));
  for (let i = 0; i < k * k; i++) h[i]! *= size[Math.floor(i / k)]! * size[i % k]!;
  return { weights: Float32Array.from({ length: n * k }, next), h };
}

/** A copy that threads can share, as factoring takes its matrix over. */
export function sharedCopy(h: Float64Array): Float64Array<SharedArrayBuffer> {
  const copy = new Float64Array(new SharedArrayBuffer(h.byteLength));
  copy.set(h);
  return copy;
}
