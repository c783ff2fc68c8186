import { randomInts } from "./random.js";

/** a · bᵀ of [m, k] and [n, k]. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
): readonly number[] {
  return Array.from({ length: m * n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < k; j++) sum += a[Math.floor(i / n) * k + j]! * b[(i % n) * k + j]!;
    return sum;
  });
}

/** Whole numbers from `low` on that bf16 and f16 hold, no two rows or columns of a matrix alike. */
export function values(seed: number, count: number, low: number): Int32Array<ArrayBuffer> {
  return randomInts(seed, count, low, low + 15);
}
