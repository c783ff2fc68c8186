import { createProduct } from "./product.js";
import { BLOCK } from "./workers.js";

/** Rows of the matrices at a time. */
const ROWS = 64;

/**
 * tr((Ŵ−W)·H·(Ŵ−W)ᵀ) / tr(W·H·Wᵀ) of matrices [n, k] and symmetric H [k, k]: what Ŵ loses of the layer's results, as a share
 * of their squares. Zero where there are none and nothing is lost.
 */
export function relativeError(w: Float32Array, rounded: Float32Array, h: Float64Array): number {
  const k = Math.sqrt(h.length);
  const difference = (i: number) => rounded[i]! - w[i]!;
  const lost = trace(w.length / k, k, difference, h);
  return lost === 0 ? 0 : lost / trace(w.length / k, k, (i) => w[i]!, h);
}

/** tr(A·H·Aᵀ) of A [n, k], given by its elements. */
export function trace(n: number, k: number, a: (i: number) => number, h: Float64Array): number {
  const addProduct = createProduct(BLOCK);
  const part = new Float64Array(ROWS * k);
  const sums = new Float64Array(ROWS * BLOCK);
  let total = 0;
  for (let start = 0; start < n; start += ROWS) {
    const rows = Math.min(ROWS, n - start);
    for (let i = 0; i < rows * k; i++) part[i] = a(start * k + i);
    for (let from = 0; from < k; from += BLOCK) {
      const columns = Math.min(BLOCK, k - from);
      sums.fill(0);
      addProduct(
        { data: part, at: 0, stride: k, rows },
        { data: h, at: from, down: k, right: 1, columns },
        k,
        sums,
      );
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < columns; j++) total += sums[r * BLOCK + j]! * part[r * k + from + j]!;
      }
    }
  }
  return total;
}
