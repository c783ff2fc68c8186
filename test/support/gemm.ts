import type { Activation } from "../../ir/ops/linears.js";
import { type MatrixArg, matrix } from "./launch.js";

/** Activations in f64, erf by its series and continued fraction. */
export function activate(x: number, activation: Activation): number {
  switch (activation) {
    case "none":
      return x;
    case "silu":
      return x / (1 + Math.exp(-x));
    case "gelu-tanh":
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    case "gelu-erf":
      return 0.5 * x * erfc(-x / Math.SQRT2);
  }
}

/** Error function, complementary, to about 1e-14. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 200; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 200; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** Packs codes in {-1, 0, 1}, [n, k], as `weights.safetensors` stores them: five trits a byte, rows of whole bytes. */
export function packTrits(codes: Int8Array, n: number, k: number): Uint8Array<ArrayBuffer> {
  const rowBytes = Math.ceil(k / 5);
  const bytes = new Uint8Array(n * rowBytes);
  for (let o = 0; o < n; o++) {
    for (let b = 0; b < rowBytes; b++) {
      let value = 0;
      for (let i = 4; i >= 0; i--) value = value * 3 + 1 + (5 * b + i < k ? codes[o * k + 5 * b + i]! : 0);
      bytes[o * rowBytes + b] = value;
    }
  }
  return bytes;
}

/** The same in 2-bit codes u = t + 1, four a byte. */
export function packTwoBit(codes: Int8Array, n: number, k: number): Uint8Array<ArrayBuffer> {
  const rowBytes = Math.ceil(k / 4);
  // Rows end in codes 1: 0b01010101.
  const bytes = new Uint8Array(n * rowBytes).fill(0x55);
  for (let o = 0; o < n; o++) {
    for (let i = 0; i < k; i++) {
      const at = o * rowBytes + (i >> 2);
      const bit = 2 * (i & 3);
      bytes[at] = (bytes[at]! & ~(3 << bit)) | ((codes[o * k + i]! + 1) << bit);
    }
  }
  return bytes;
}

/** Stored codes as the argument of unpack-trits. */
export function storedCodes(codes: Int8Array, n: number, k: number, storage?: "2bit"): MatrixArg {
  return storage === undefined
    ? matrix(packTrits(codes, n, k), n, Math.ceil(k / 5))
    : matrix(packTwoBit(codes, n, k), n, Math.ceil(k / 4));
}

/** Sizes around the tiles of every target. */
export const GEMM_SHAPES = [
  { m: 4, n: 3, k: 5 },
  { m: 1, n: 8, k: 16 },
  { m: 9, n: 65, k: 33 },
  { m: 70, n: 72, k: 300 },
  // Rows in groups of every size, half a panel of channels, k that ends just behind a block of 256.
  { m: 7, n: 20, k: 514 },
  // Large enough for kernels of unrolled loops.
  { m: 3, n: 1030, k: 1040 },
] as const;

/** x · wᵀ in double precision; x has rows of `stride`. */
export function product(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
  stride: number,
): Float64Array {
  const y = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let o = 0; o < n; o++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += x[r * stride + i]! * w[o * k + i]!;
      y[r * n + o] = sum;
    }
  }
  return y;
}
