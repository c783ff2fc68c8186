import { countOf, type Tensor } from "../tensor.js";
import { broadcastShapes, planBroadcast } from "./tensors/broadcast.js";
import { groupNormRows } from "./tensors/group-norm-rows.js";
import {
  around,
  axisOf,
  type Context,
  floats,
  newFloats,
  OpError,
  type Section,
  withShape,
} from "./value.js";

interface Affine {
  readonly scale: Tensor | null;
  readonly bias: Tensor | null;
}

interface Moments {
  readonly out: Tensor;
  readonly mean: Float64Array;
  readonly inverse: Float64Array;
}

/** (x − mean)/√(var + ε) over rows of `n`; the mean is left in place (0) for RMS norms. */
export function normalizeRows(
  x: Tensor,
  n: number,
  epsilon: number,
  centered: boolean,
  context: Context,
): Moments {
  const data = floats(x);
  const out = newFloats(x.dtype, data.length, context.wide);
  const rows = n === 0 ? 0 : data.length / n;
  const mean = new Float64Array(rows);
  const inverse = new Float64Array(rows);
  for (let r = 0, from = 0; r < rows; r++, from += n) {
    let m = 0;
    if (centered) {
      for (let i = from; i < from + n; i++) m += data[i]!;
      m /= n;
    }
    let variance = 0;
    for (let i = from; i < from + n; i++) variance += (data[i]! - m) * (data[i]! - m);
    const k = 1 / Math.sqrt(variance / n + epsilon);
    for (let i = from; i < from + n; i++) out[i] = (data[i]! - m) * k;
    mean[r] = m;
    inverse[r] = k;
  }
  return { out: { dtype: x.dtype, shape: x.shape, data: out }, mean, inverse };
}

/** x·scale + bias, the operands broadcast to x. Writes to x, which the caller just made. */
function applyAffine(x: Tensor, { scale, bias }: Affine): Tensor {
  const data = floats(x);
  for (const [operand, add] of [
    [scale, false],
    [bias, true],
  ] as const) {
    if (operand === null) continue;
    if (broadcastShapes(x.shape, operand.shape).some((d, i) => d !== x.shape[i])) {
      throw new OpError(`[${operand.shape.join(", ")}] does not broadcast to [${x.shape.join(", ")}]`);
    }
    const factor = floats(operand);
    const { inner, steps, offsets } = planBroadcast([x.shape, operand.shape]);
    const step = steps[1] ?? 0;
    const starts = offsets[1]!;
    for (let run = 0, o = 0; run < starts.length; run++) {
      for (let i = 0, y = starts[run]!; i < inner; i++, y += step, o++) {
        data[o] = add ? data[o]! + factor[y]! : data[o]! * factor[y]!;
      }
    }
  }
  return x;
}

function layerNorm(
  x: Tensor,
  affine: Affine,
  axis: number,
  epsilon: number,
  context: Context,
): readonly Tensor[] {
  const at = axisOf(axis, x.shape.length);
  const { out, mean, inverse } = normalizeRows(x, countOf(x.shape.slice(at)), epsilon, true, context);
  const shape = x.shape.map((d, i) => (i < at ? d : 1));
  const stat = (values: Float64Array): Tensor => {
    const data = newFloats("f32", values.length, context.wide);
    data.set(values);
    return { dtype: "f32", shape, data };
  };
  return [applyAffine(out, affine), stat(mean), stat(inverse)].slice(0, Math.max(1, context.outputs));
}

function rmsNorm(
  x: Tensor,
  scale: Tensor | null,
  axis: number,
  epsilon: number,
  group: number,
  context: Context,
): Tensor {
  const at = axisOf(axis, x.shape.length);
  const width = countOf(x.shape.slice(at));
  if (group === 0 || group === width) {
    return applyAffine(normalizeRows(x, width, epsilon, false, context).out, { scale, bias: null });
  }
  const last = x.shape[x.shape.length - 1]!;
  if (last % group !== 0) throw new OpError(`${last} channels in groups of ${group}`);
  const grouped = withShape(x, [...x.shape.slice(0, -1), last / group, group]);
  const out = applyAffine(normalizeRows(grouped, group, epsilon, false, context).out, { scale, bias: null });
  return withShape(out, x.shape);
}

/** A [C] vector as [C, 1, …] so that it meets the channels of [N, C, …]. */
function perChannel(v: Tensor, x: Tensor): Tensor {
  return withShape(v, [v.data.length, ...x.shape.slice(2).map(() => 1)]);
}

function groupNorm(
  x: Tensor,
  scale: Tensor | null,
  bias: Tensor | null,
  options: { readonly groups: number; readonly epsilon: number; readonly perGroupAffine: boolean },
  context: Context,
): Tensor {
  const [batch = 1, channels = 1] = x.shape;
  const { groups } = options;
  if (channels % groups !== 0) throw new OpError(`${channels} channels in ${groups} groups`);
  const grouped = withShape(x, [batch, groups, x.data.length / Math.max(1, batch * groups)]);
  const { out } = normalizeRows(grouped, grouped.shape[2]!, options.epsilon, true, context);
  if (options.perGroupAffine) {
    const affine = {
      scale: scale === null ? null : withShape(scale, [groups, 1]),
      bias: bias === null ? null : withShape(bias, [groups, 1]),
    };
    return withShape(applyAffine(out, affine), x.shape);
  }
  const full = withShape(out, x.shape);
  return applyAffine(full, {
    scale: scale === null ? null : perChannel(scale, x),
    bias: bias === null ? null : perChannel(bias, x),
  });
}

function batchNorm(x: Tensor, parameters: readonly Tensor[], epsilon: number, context: Context): Tensor {
  const [scale, bias, mean, variance] = parameters.map(floats);
  const { outer, size, inner } = around(x.shape, 1);
  const data = floats(x);
  const out = newFloats(x.dtype, data.length, context.wide);
  for (let row = 0, i = 0; row < outer * size; row++) {
    const c = row % size;
    const k = scale![c]! / Math.sqrt(variance![c]! + epsilon);
    const b = bias![c]! - mean![c]! * k;
    for (let end = i + inner; i < end; i++) out[i] = data[i]! * k + b;
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}

function lpNorm(x: Tensor, axis: number, p: number, context: Context): Tensor {
  const { outer, size, inner } = around(x.shape, axisOf(axis, x.shape.length));
  const data = floats(x);
  const out = newFloats(x.dtype, data.length, context.wide);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const from = o * size * inner + i;
      let sum = 0;
      for (let k = 0, at = from; k < size; k++, at += inner)
        sum += p === 1 ? Math.abs(data[at]!) : data[at]! * data[at]!;
      const norm = p === 1 ? sum : Math.sqrt(sum);
      for (let k = 0, at = from; k < size; k++, at += inner) out[at] = norm === 0 ? 0 : data[at]! / norm;
    }
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}

/** Values brought to mean 0, square mean 1 or length 1. */
export const NORMS: Section<"norms"> = {
  "layer-norm": (x, { axis, epsilon }, c) =>
    layerNorm(x.tensor(0), { scale: x.optional(1), bias: x.optional(2) }, axis, epsilon, c),
  "rms-norm": (x, { axis, epsilon, group }, c) =>
    rmsNorm(x.tensor(0), x.optional(1), axis, epsilon, group, c),
  "instance-norm": (x, { epsilon }, c) => {
    const t = x.tensor(0);
    const groups = t.shape[1] ?? 1;
    return groupNorm(t, x.optional(1), x.optional(2), { groups, epsilon, perGroupAffine: false }, c);
  },
  "group-norm": (x, attrs, c) => groupNorm(x.tensor(0), x.optional(1), x.optional(2), attrs, c),
  "group-norm-rows": (x, attrs, c) => groupNormRows(x.tensor(0), x.tensor(1), x.tensor(2), attrs, c),
  "batch-norm": (x, { epsilon }, c) =>
    batchNorm(x.tensor(0), [x.tensor(1), x.tensor(2), x.tensor(3), x.tensor(4)], epsilon, c),
  "lp-norm": (x, { axis, p }, c) => lpNorm(x.tensor(0), axis, p, c),
};
