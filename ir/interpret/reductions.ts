import { isBig } from "../constant/convert.js";
import { isFloat } from "../dtype.js";
import type { ReduceFn } from "../ops/reductions.js";
import { allocate, countOf, type Tensor } from "../tensor.js";
import { transpose } from "./shapes.js";
import { softmax, softmaxAxis } from "./tensors/softmax.js";
import {
  around,
  axesOf,
  axisOf,
  type Context,
  i64,
  ints,
  like,
  OpError,
  type Section,
  sameDims,
  scalar,
} from "./value.js";

/**
 * The tensor as rows of the reduced elements: kept axes first. An untouched view where the reduced axes are
 * the last ones.
 */
function rowsOf(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const perm = [...kept, ...[...axes].sort((a, b) => a - b)];
  return sameDims(
    perm,
    x.shape.map((_, i) => i),
  )
    ? x
    : transpose(x, perm);
}

/** Accumulates in f64; the result is rounded when stored. */
function reduceRow(fn: ReduceFn, data: ArrayLike<number>, from: number, n: number): number {
  const end = from + n;
  switch (fn) {
    case "sum":
    case "mean":
    case "log-sum": {
      let sum = 0;
      for (let i = from; i < end; i++) sum += data[i]!;
      return fn === "sum" ? sum : fn === "mean" ? sum / n : Math.log(sum);
    }
    case "sum-square":
    case "l2": {
      let sum = 0;
      for (let i = from; i < end; i++) sum += data[i]! * data[i]!;
      return fn === "l2" ? Math.sqrt(sum) : sum;
    }
    case "l1": {
      let sum = 0;
      for (let i = from; i < end; i++) sum += Math.abs(data[i]!);
      return sum;
    }
    case "prod": {
      let product = 1;
      for (let i = from; i < end; i++) product *= data[i]!;
      return product;
    }
    case "max": {
      let best = -Infinity;
      for (let i = from; i < end; i++) best = Math.max(best, data[i]!);
      return best;
    }
    case "min": {
      let best = Infinity;
      for (let i = from; i < end; i++) best = Math.min(best, data[i]!);
      return best;
    }
    case "log-sum-exp": {
      let peak = -Infinity;
      for (let i = from; i < end; i++) peak = Math.max(peak, data[i]!);
      if (!Number.isFinite(peak)) return peak;
      let sum = 0;
      for (let i = from; i < end; i++) sum += Math.exp(data[i]! - peak);
      return peak + Math.log(sum);
    }
  }
}

/** What a reduction of no elements gives. */
const INT64_RANGE = { i64: [-(2n ** 63n), 2n ** 63n - 1n], u64: [0n, 2n ** 64n - 1n] } as const;

function reduceBig(
  fn: ReduceFn,
  dtype: "i64" | "u64",
  data: BigInt64Array | BigUint64Array,
  from: number,
  n: number,
): bigint {
  const row = data.subarray(from, from + n);
  let out = 0n;
  switch (fn) {
    case "sum":
      for (const v of row) out += v;
      return out;
    case "mean":
      for (const v of row) out += v;
      return out / BigInt(n);
    case "l1":
      for (const v of row) out += v < 0n ? -v : v;
      return out;
    case "sum-square":
      for (const v of row) out += v * v;
      return out;
    case "prod":
      out = 1n;
      for (const v of row) out *= v;
      return out;
    case "max":
      out = INT64_RANGE[dtype][0];
      for (const v of row) if (v > out) out = v;
      return out;
    case "min":
      out = INT64_RANGE[dtype][1];
      for (const v of row) if (v < out) out = v;
      return out;
    default:
      return BigInt(Math.trunc(reduceRow(fn, Float64Array.from(row, Number), 0, n)));
  }
}

export function reduce(
  x: Tensor,
  axes: readonly number[],
  fn: ReduceFn,
  keepDims: boolean,
  context: Context,
): Tensor {
  const shape = keepDims
    ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d))
    : x.shape.filter((_, i) => !axes.includes(i));
  const rows = rowsOf(x, axes);
  const n = countOf(axes.map((a) => x.shape[a]!));
  const count = countOf(shape);
  const out = allocate(x.dtype, count, context.wide);
  if (isBig(rows.data) && isBig(out)) {
    const dtype = x.dtype === "u64" ? "u64" : "i64";
    for (let r = 0; r < count; r++) out[r] = reduceBig(fn, dtype, rows.data, r * n, n);
  } else if (!isBig(rows.data) && !isBig(out)) {
    const truncate = !isFloat(x.dtype);
    for (let r = 0; r < count; r++) {
      const v = reduceRow(fn, rows.data, r * n, n);
      out[r] = truncate ? clampInfinite(v) : v;
    }
  }
  return { dtype: x.dtype, shape, data: out };
}

/** Integer extremes of nothing are the type's limits, which saturating i32 covers. */
function clampInfinite(v: number): number {
  return v === Infinity ? 0x7fffffff : v === -Infinity ? -0x80000000 : Math.trunc(v);
}

/** Index of the first (or last) extreme along an axis. */
function argReduce(
  x: Tensor,
  axis: number,
  fn: "max" | "min",
  keepDims: boolean,
  selectLast: boolean,
): Tensor {
  const at = axisOf(axis, x.shape.length);
  const { outer, size, inner } = around(x.shape, at);
  const picks: number[] = [];
  const { data } = x;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let best = 0;
      for (let k = 1; k < size; k++) {
        const v = data[(o * size + k) * inner + i]!;
        const b = data[(o * size + best) * inner + i]!;
        if ((fn === "max" ? v > b : v < b) || (selectLast && v === b)) best = k;
      }
      picks.push(best);
    }
  }
  const shape = [...x.shape];
  if (keepDims) shape[at] = 1;
  else shape.splice(at, 1);
  return i64(picks, shape);
}

function cumsum(x: Tensor, axis: number, exclusive: boolean, reverse: boolean, context: Context): Tensor {
  const { outer, size, inner } = around(x.shape, axisOf(axis, x.shape.length));
  const out = allocate(x.dtype, x.data.length, context.wide);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (k: number) => (o * size + (reverse ? size - 1 - k : k)) * inner + i;
      if (isBig(out) && isBig(x.data)) {
        let sum = 0n;
        for (let k = 0; k < size; k++) {
          if (exclusive) out[at(k)] = sum;
          sum += x.data[at(k)]!;
          if (!exclusive) out[at(k)] = sum;
        }
      } else if (!isBig(out) && !isBig(x.data)) {
        let sum = 0;
        for (let k = 0; k < size; k++) {
          if (exclusive) out[at(k)] = sum;
          sum += x.data[at(k)]!;
          if (!exclusive) out[at(k)] = sum;
        }
      }
    }
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}

/** Equal values keep the order of their indices. */
function topk(x: Tensor, k: number, axis: number, largest: boolean): readonly [Tensor, Tensor] {
  const at = axisOf(axis, x.shape.length);
  const { outer, size, inner } = around(x.shape, at);
  if (k > size) throw new OpError(`k ${k} for an axis of size ${size}`);
  const shape = [...x.shape];
  shape[at] = k;
  const values = like(x, outer * k * inner);
  const picks = new BigInt64Array(outer * k * inner);
  const { data } = x;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const order = Array.from({ length: size }, (_, n) => n);
      const value = (n: number) => data[(o * size + n) * inner + i]!;
      order.sort((a, b) => {
        const [u, v] = [value(a), value(b)];
        return u === v ? a - b : u > v === largest ? -1 : 1;
      });
      for (let n = 0; n < k; n++) {
        const to = (o * k + n) * inner + i;
        const v = value(order[n]!);
        if (isBig(values)) values[to] = BigInt(v);
        else values[to] = Number(v);
        picks[to] = BigInt(order[n]!);
      }
    }
  }
  return [
    { dtype: x.dtype, shape, data: values },
    { dtype: "i64", shape, data: picks },
  ];
}

/** Along axes: sums and extrema, running ones, the largest entries, softmax. */
export const REDUCTIONS: Section<"reductions"> = {
  reduce: (x, { fn, keepDims, noopWithEmptyAxes }, c) => {
    const t = x.tensor(0);
    const operand = x.optional(1);
    const given = operand === null ? [] : axesOf(ints(operand), t.shape.length);
    const all = t.shape.map((_, i) => i);
    const axes = given.length > 0 ? given : noopWithEmptyAxes ? [] : all;
    return reduce(t, axes, fn, keepDims, c);
  },
  "arg-reduce": (x, { fn, axis, keepDims, selectLast }) =>
    argReduce(x.tensor(0), axis, fn, keepDims, selectLast),
  cumsum: (x, { exclusive, reverse }, c) => cumsum(x.tensor(0), scalar(x.tensor(1)), exclusive, reverse, c),
  topk: (x, { axis, largest }) => topk(x.tensor(0), scalar(x.tensor(1)), axis, largest),
  softmax: (x, { axis, log }, c) => softmaxAxis(x.tensor(0), axis, log, c),
  "softmax-flat": (x, { axis, log }, c) => {
    const t = x.tensor(0);
    return softmax(t, countOf(t.shape.slice(axisOf(axis, t.shape.length))), log, c);
  },
};
