import { activate } from "./gemm.js";
import { type Data, matrix, output, vector } from "./launch.js";
import { randomFloats } from "./random.js";

interface Size {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A launch of ternary-gemm over int8 rows that leaves their sums; arguments lie apart and behind one another. */
export function int8Launch(
  { m, n }: Size,
  { q, kPad, rowSum }: Readonly<{ q: Int8Array; kPad: number; rowSum: Int32Array }>,
  weights: Data,
) {
  return {
    rows: m,
    args: {
      q: matrix(q, m, kPad, { rowStride: kPad + 16, offset: 16 }),
      rowScale: matrix(new Float32Array(m).fill(1), m, 1),
      rowSum: matrix(rowSum, m, 1, { offset: 4 }),
      weights: vector(weights),
      scales: vector(new Float32Array(n).fill(1)),
      out: output(m, n, { rowStride: n + 3, offset: 8 }),
    },
    grid: [n, m, 1],
  } as const;
}

/** A launch of ternary-gemm over float rows with scales, bias and SiLU, what these make of products, and how near results are. */
export function floatLaunch({ m, n, k }: Size, x: Float32Array, weights: Data) {
  const [scales, bias] = [randomFloats(8, n, 0.2), randomFloats(9, n)];
  return {
    finished: (y: number, i: number) => activate(y * scales[i % n]! + bias[i % n]!, "silu"),
    tolerance: { absolute: 1e-5 * Math.sqrt(k), relative: 1e-5 },
    request: {
      rows: m,
      args: {
        x: matrix(x, m, k, { rowStride: k + 5, offset: 7 }),
        weights: vector(weights),
        scales: vector(scales),
        bias: vector(bias),
        out: output(m, n, { rowStride: n + 1 }),
      },
      grid: [n, m, 1],
    },
  } as const;
}
