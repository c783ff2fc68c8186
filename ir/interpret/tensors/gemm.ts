import type { NumberData } from "../../constant/convert.js";
import type { Floats } from "../value.js";

/** A matrix inside an array: element (r, c) is data[offset + r·row + c·column]. */
export interface Matrix {
  readonly data: NumberData;
  readonly offset: number;
  readonly row: number;
  readonly column: number;
}

/** Depth of a packed block: a 4-column panel of doubles (16 KB) stays in the L1 cache. */
const DEPTH = 512;
/** Columns of a packed block: DEPTH × WIDTH doubles stay in the L2 cache. */
const WIDTH = 64;

const packedA = new Float64Array(4 * DEPTH);
const packedB = new Float64Array(WIDTH * DEPTH);

/**
 * out[m, n] = a[m, k]·b[k, n], accumulated in f64 and rounded once; `out` is dense rows at `outOffset`.
 * With integer operands every sum below 2^53 is exact.
 */
export function gemm(
  m: number,
  n: number,
  k: number,
  a: Matrix,
  b: Matrix,
  out: Floats | Int32Array,
  outOffset: number,
): void {
  // Small products don't repay packing.
  if (m * n * k < 4096 || m < 3) {
    direct(m, n, k, a, b, out, outOffset);
    return;
  }
  const rows = Math.ceil(m / 4) * 4;
  const sums = new Float64Array(rows * WIDTH);
  for (let left = 0; left < n; left += WIDTH) {
    const width = Math.min(WIDTH, n - left);
    sums.fill(0);
    for (let top = 0; top < k; top += DEPTH) {
      const depth = Math.min(DEPTH, k - top);
      packB(b, top, left, depth, width);
      for (let r = 0; r < m; r += 4) {
        packA(a, r, top, Math.min(4, m - r), depth);
        for (let c = 0; c < width; c += 4) tile(depth, c * DEPTH, sums, r * WIDTH + c);
      }
    }
    for (let r = 0; r < m; r++) {
      const to = outOffset + r * n + left;
      for (let c = 0; c < width; c++) out[to + c] = sums[r * WIDTH + c]!;
    }
  }
}

function packA(a: Matrix, r: number, top: number, height: number, depth: number): void {
  const { data, row, column } = a;
  for (let y = 0; y < 4; y++) {
    let from = a.offset + (r + y) * row + top * column;
    if (y >= height) for (let i = 0; i < depth; i++) packedA[i * 4 + y] = 0;
    else for (let i = 0; i < depth; i++, from += column) packedA[i * 4 + y] = data[from]!;
  }
}

/** Panels of four columns, depth-major; the tail panel is filled with zeros. */
function packB(b: Matrix, top: number, left: number, depth: number, width: number): void {
  const { data, row, column } = b;
  for (let c = 0; c < width; c += 4) {
    const panel = c * DEPTH;
    for (let x = 0; x < 4; x++) {
      let from = b.offset + top * row + (left + c + x) * column;
      if (c + x >= width) for (let i = 0; i < depth; i++) packedB[panel + i * 4 + x] = 0;
      else for (let i = 0; i < depth; i++, from += row) packedB[panel + i * 4 + x] = data[from]!;
    }
  }
}

/** A 4×4 tile of sums in registers. */
function tile(depth: number, panel: number, sums: Float64Array, at: number): void {
  let [c00, c01, c02, c03] = [0, 0, 0, 0];
  let [c10, c11, c12, c13] = [0, 0, 0, 0];
  let [c20, c21, c22, c23] = [0, 0, 0, 0];
  let [c30, c31, c32, c33] = [0, 0, 0, 0];
  const a = packedA;
  const b = packedB;
  for (let i = 0, p = panel; i < depth * 4; i += 4, p += 4) {
    const b0 = b[p]!;
    const b1 = b[p + 1]!;
    const b2 = b[p + 2]!;
    const b3 = b[p + 3]!;
    const a0 = a[i]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    const a1 = a[i + 1]!;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    const a2 = a[i + 2]!;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    const a3 = a[i + 3]!;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
  }
  sums[at]! += c00;
  sums[at + 1]! += c01;
  sums[at + 2]! += c02;
  sums[at + 3]! += c03;
  at += WIDTH;
  sums[at]! += c10;
  sums[at + 1]! += c11;
  sums[at + 2]! += c12;
  sums[at + 3]! += c13;
  at += WIDTH;
  sums[at]! += c20;
  sums[at + 1]! += c21;
  sums[at + 2]! += c22;
  sums[at + 3]! += c23;
  at += WIDTH;
  sums[at]! += c30;
  sums[at + 1]! += c31;
  sums[at + 2]! += c32;
  sums[at + 3]! += c33;
}

function direct(
  m: number,
  n: number,
  k: number,
  a: Matrix,
  b: Matrix,
  out: Floats | Int32Array,
  outOffset: number,
): void {
  const left = a.data;
  const right = b.data;
  if (b.column === 1 && n > 1) {
    // Row by row of b: memory in order.
    const line = new Float64Array(n);
    for (let r = 0; r < m; r++) {
      line.fill(0);
      for (let i = 0; i < k; i++) {
        const v = left[a.offset + r * a.row + i * a.column]!;
        const from = b.offset + i * b.row;
        for (let c = 0; c < n; c++) line[c]! += v * right[from + c]!;
      }
      for (let c = 0; c < n; c++) out[outOffset + r * n + c] = line[c]!;
    }
    return;
  }
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < n; c++) {
      let sum = 0;
      let p = a.offset + r * a.row;
      let q = b.offset + c * b.column;
      for (let i = 0; i < k; i++, p += a.column, q += b.row) sum += left[p]! * right[q]!;
      out[outOffset + r * n + c] = sum;
    }
  }
}
