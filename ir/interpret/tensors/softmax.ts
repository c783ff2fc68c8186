import type { Tensor } from "../../tensor.js";
import { transpose } from "../shapes.js";
import { axisOf, type Context, type Floats, floats, newFloats } from "../value.js";

/** Softmax of rows of `n`, in place of a fresh array. */
export function softmaxRows(data: Floats, out: Floats, n: number, log: boolean): void {
  for (let from = 0; from < data.length; from += n) {
    let peak = -Infinity;
    for (let i = from; i < from + n; i++) peak = Math.max(peak, data[i]!);
    let sum = 0;
    for (let i = from; i < from + n; i++) {
      const e = Math.exp(data[i]! - peak);
      out[i] = e;
      sum += e;
    }
    if (log) {
      const shift = peak + Math.log(sum);
      for (let i = from; i < from + n; i++) out[i] = data[i]! - shift;
    } else {
      for (let i = from; i < from + n; i++) out[i] = out[i]! / sum;
    }
  }
}

export function softmax(x: Tensor, n: number, log: boolean, context: Context): Tensor {
  const data = floats(x);
  const out = newFloats(x.dtype, data.length, context.wide);
  softmaxRows(data, out, n, log);
  return { dtype: x.dtype, shape: x.shape, data: out };
}

export function softmaxAxis(x: Tensor, axis: number, log: boolean, context: Context): Tensor {
  const rank = x.shape.length;
  const at = axisOf(axis, rank);
  const n = x.shape[at] ?? 1;
  if (at >= rank - 1) return softmax(x, n, log, context);
  const perm = x.shape.map((_, i) => i);
  perm[at] = rank - 1;
  perm[rank - 1] = at;
  return transpose(softmax(transpose(x, perm), n, log, context), perm);
}
