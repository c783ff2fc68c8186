import { convertData, isBig, type NumberData } from "../../constant/convert.js";
import { type DType, isFloat } from "../../dtype.js";
import { allocate, countOf, type Tensor } from "../../tensor.js";
import { type Context, type Floats, newFloats, numbers, OpError } from "../value.js";
import { binary } from "./binary.js";
import { broadcastShapes, broadcastStrides } from "./broadcast.js";
import { gemm as product } from "./gemm.js";

/** Room for a product: floats of the dtype's width; integers go through doubles (exact below 2^53). */
function accumulator(dtype: DType, count: number, wide: boolean): Floats {
  return isFloat(dtype) ? newFloats(dtype, count, wide) : new Float64Array(count);
}

function finish(dtype: DType, data: Floats): Tensor["data"] {
  return isFloat(dtype) ? data : convertData(data, "f64", dtype);
}

export function matmul(a: Tensor, b: Tensor, context: Context): Tensor {
  if (a.dtype !== b.dtype) throw new OpError(`matmul of ${a.dtype} and ${b.dtype}`);
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m = 0, k = 0] = left.slice(-2);
  const [depth = 0, n = 0] = right.slice(-2);
  if (left.length < 2 || right.length < 2 || k !== depth) {
    throw new OpError(`[${a.shape.join(", ")}] times [${b.shape.join(", ")}]`);
  }
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  const count = countOf(batch);
  const offsetsA = batchOffsets(left.slice(0, -2), batch, m * k);
  const offsetsB = batchOffsets(right.slice(0, -2), batch, k * n);
  const out = accumulator(a.dtype, count * m * n, context.wide);
  const [x, y] = [numbers(a), numbers(b)];
  const dense = right.length === 2 && count > 1;
  // One weight matrix for the whole batch: rows of all batches are one tall matrix.
  const [repeats, rows] = dense && countOf(left.slice(0, -2)) === count ? [1, count * m] : [count, m];
  for (let i = 0; i < repeats; i++) {
    const l = { data: x, offset: offsetsA[i]!, row: k, column: 1 };
    product(rows, n, k, l, { data: y, offset: offsetsB[i]!, row: n, column: 1 }, out, i * m * n);
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])];
  return { dtype: a.dtype, shape, data: finish(a.dtype, out) };
}

/** Element offset of each batch's matrix. */
export function batchOffsets(shape: readonly number[], batch: readonly number[], size: number): Float64Array {
  const strides = broadcastStrides(shape, batch);
  const out = new Float64Array(countOf(batch));
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    let offset = 0;
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      offset += (rest % batch[axis]!) * strides[axis]!;
      rest = Math.floor(rest / batch[axis]!);
    }
    out[i] = offset * size;
  }
  return out;
}

interface GemmOptions {
  readonly alpha: number;
  readonly beta: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

export function gemm(a: Tensor, b: Tensor, c: Tensor | null, options: GemmOptions, context: Context): Tensor {
  const { alpha, beta, transA, transB } = options;
  const [ra = 0, ca = 0] = a.shape;
  const [rb = 0, cb = 0] = b.shape;
  const [m, k] = transA ? [ca, ra] : [ra, ca];
  const [depth, n] = transB ? [cb, rb] : [rb, cb];
  if (k !== depth || a.shape.length !== 2 || b.shape.length !== 2) {
    throw new OpError(`[${a.shape.join(", ")}] times [${b.shape.join(", ")}]`);
  }
  const out = accumulator(a.dtype, m * n, context.wide);
  const left = { data: numbers(a), offset: 0, row: transA ? 1 : ca, column: transA ? ca : 1 };
  const right = { data: numbers(b), offset: 0, row: transB ? 1 : cb, column: transB ? cb : 1 };
  product(m, n, k, left, right, out, 0);
  if (alpha !== 1) for (let i = 0; i < out.length; i++) out[i] = out[i]! * alpha;
  const result: Tensor = { dtype: a.dtype, shape: [m, n], data: finish(a.dtype, out) };
  return c === null || beta === 0 ? result : binary(result, scaled(c, beta), "add", context);
}

function scaled(c: Tensor, beta: number): Tensor {
  if (beta === 1) return c;
  const data = allocate(c.dtype, c.data.length, c.data instanceof Float64Array);
  const source: NumberData = numbers(c);
  if (isBig(data)) for (let i = 0; i < data.length; i++) data[i] = BigInt(Math.trunc(source[i]! * beta));
  else for (let i = 0; i < data.length; i++) data[i] = source[i]! * beta;
  return { ...c, data };
}
