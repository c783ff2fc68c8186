/** Truncated singular value decompositions by one-sided Jacobi rotations: what `compiler/residual` is checked against. */
import { upperCholesky } from "../gptq/reference.js";

/**
 * Singular values of a matrix [n, k], descending: the lengths of its rows, or its columns if they are fewer, once Hestenes'
 * rotations have made them orthogonal.
 */
export function singularValues(matrix: ArrayLike<number>, k: number): readonly number[] {
  const n = matrix.length / k;
  const at = (i: number, j: number) => matrix[n > k ? j * k + i : i * k + j] ?? 0;
  const vectors = Array.from({ length: Math.min(n, k) }, (_, i) =>
    Float64Array.from({ length: Math.max(n, k) }, (_, j) => at(i, j)),
  );
  const product = (a: Float64Array, b: Float64Array) => {
    let sum = 0;
    for (let j = 0; j < a.length; j++) sum += (a[j] ?? 0) * (b[j] ?? 0);
    return sum;
  };
  for (let sweep = 0; sweep < 12; sweep++) {
    for (const [p, x] of vectors.entries()) {
      for (const y of vectors.slice(p + 1)) {
        const [xx, yy, xy] = [product(x, x), product(y, y), product(x, y)];
        if (Math.abs(xy) <= 1e-14 * Math.sqrt(xx * yy)) continue;
        const zeta = (yy - xx) / (2 * xy);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        for (let j = 0; j < x.length; j++) {
          const [a, b] = [x[j] ?? 0, y[j] ?? 0];
          x[j] = c * (a - t * b);
          y[j] = c * (t * a + b);
        }
      }
    }
  }
  return vectors.map((vector) => Math.sqrt(product(vector, vector))).sort((a, b) => b - a);
}

/** E·L of H = L·Lᵀ. */
export function whitened(e: ArrayLike<number>, h: Float64Array): Float64Array {
  const k = Math.sqrt(h.length);
  const upper = upperCholesky(h, k);
  const out = new Float64Array(e.length);
  for (let i = 0; i < e.length; i += k)
    for (let j = 0; j < k; j++)
      for (let p = j; p < k; p++) out[i + j] = (out[i + j] ?? 0) + (e[i + p] ?? 0) * (upper[j * k + p] ?? 0);
  return out;
}

/** E − U·V */
export function remainder(
  e: ArrayLike<number>,
  up: ArrayLike<number>,
  down: ArrayLike<number>,
  rank: number,
) {
  const k = down.length / rank;
  return Float64Array.from(e, (value, at) => {
    let rest = value;
    for (let r = 0; r < rank; r++)
      rest -= (up[Math.floor(at / k) * rank + r] ?? 0) * (down[r * k + (at % k)] ?? 0);
    return rest;
  });
}

export function squares(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value * value, 0);
}
