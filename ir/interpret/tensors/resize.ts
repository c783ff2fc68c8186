import { isBig } from "../../constant/convert.js";
import { isFloat } from "../../dtype.js";
import type { OpAttrs } from "../../ops/index.js";
import { allocate, countOf, type Tensor } from "../../tensor.js";
import { roundHalfEven } from "../../ternary/quantize.js";
import { around, axesOf, type Context, like, OpError } from "../value.js";
import { gatherBlocks } from "./copy.js";

type Attrs = OpAttrs["resize"];

/** What one axis of a resize does. */
interface AxisPlan {
  readonly axis: number;
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  readonly roi: readonly [number, number];
}

/** Output sizes and scales per resized axis, as ONNX Resize derives them from scales or sizes. */
function plan(
  x: Tensor,
  roi: readonly number[] | null,
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  attrs: Attrs,
) {
  const axes = attrs.axes === null ? x.shape.map((_, i) => i) : axesOf(attrs.axes, x.shape.length);
  const given = sizes ?? scales;
  if (given === null || given.length !== axes.length)
    throw new OpError("resize needs one scale or one size per axis");
  let factors = axes.map((axis, i) => (sizes === null ? scales![i]! : sizes[i]! / x.shape[axis]!));
  let lengths = axes.map((axis, i) =>
    sizes === null ? Math.floor(x.shape[axis]! * factors[i]!) : sizes[i]!,
  );
  if (sizes !== null && attrs.keepAspectRatio !== "stretch") {
    const common = attrs.keepAspectRatio === "not_larger" ? Math.min(...factors) : Math.max(...factors);
    factors = axes.map(() => common);
    lengths = axes.map((axis) => Math.floor(common * x.shape[axis]! + 0.5));
  }
  return axes.map((axis, i): AxisPlan => {
    const n = axes.length;
    return {
      axis,
      size: x.shape[axis]!,
      out: lengths[i]!,
      scale: factors[i]!,
      roi: [roi?.[i] ?? 0, roi?.[i + n] ?? 1],
    };
  });
}

/** The input coordinate of an output index. */
function source(i: number, p: AxisPlan, mode: string): number {
  const { size, out, scale } = p;
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjustment = out / (scale * size);
      return (size / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return out === 1 ? 0 : (i * (size - 1)) / (out - 1);
    case "asymmetric":
      return i / scale;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "tf_crop_and_resize": {
      const [start, end] = p.roi;
      return out > 1
        ? start * (size - 1) + (i * (end - start) * (size - 1)) / (out - 1)
        : 0.5 * (start + end) * (size - 1);
    }
    default:
      throw new OpError(`the coordinate transformation ${mode} is unknown`);
  }
}

function nearest(at: number, mode: string): number {
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(at - 0.5);
    case "round_prefer_ceil":
      return Math.floor(at + 0.5);
    case "floor":
      return Math.floor(at);
    case "ceil":
      return Math.ceil(at);
    default:
      return roundHalfEven(at);
  }
}

/** Taps of one output index: source indices and weights; empty outside of a crop. */
interface Taps {
  readonly indices: readonly number[];
  readonly weights: readonly number[];
}

function cubicWeights(t: number, a: number): readonly number[] {
  const near = (d: number) => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

function tapsOf(i: number, p: AxisPlan, attrs: Attrs): Taps | null {
  const at = source(i, p, attrs.coordinates);
  const last = p.size - 1;
  const clamp = (k: number) => Math.max(0, Math.min(last, k));
  if (attrs.coordinates === "tf_crop_and_resize" && (at < 0 || at > last)) return null;
  if (attrs.mode === "nearest") return { indices: [clamp(nearest(at, attrs.nearestMode))], weights: [1] };
  if (attrs.mode === "linear") {
    const low = Math.floor(clamp(at));
    const t = clamp(at) - low;
    return t === 0
      ? { indices: [low], weights: [1] }
      : { indices: [low, clamp(low + 1)], weights: [1 - t, t] };
  }
  const low = Math.floor(at);
  const around4 = [low - 1, low, low + 1, low + 2];
  let weights = cubicWeights(at - low, attrs.cubicA);
  if (attrs.excludeOutside) {
    const inside = weights.map((w, k) => (around4[k]! < 0 || around4[k]! > last ? 0 : w));
    const sum = inside.reduce((s, w) => s + w, 0);
    weights = inside.map((w) => w / sum);
  }
  return { indices: around4.map(clamp), weights };
}

function resizeAxis(x: Tensor, p: AxisPlan, attrs: Attrs, outside: Uint8Array, context: Context): Tensor {
  const { outer, size, inner } = around(x.shape, p.axis);
  const shape = [...x.shape];
  shape[p.axis] = p.out;
  const taps = Array.from({ length: p.out }, (_, i) => tapsOf(i, p, attrs));
  taps.forEach((t, i) => {
    if (t === null) outside[i] = 1;
  });
  if (attrs.mode === "nearest") {
    const data = like(x, countOf(shape));
    const blocks = new Float64Array(outer * p.out);
    for (let i = 0; i < blocks.length; i++) {
      blocks[i] = Math.floor(i / p.out) * size + (taps[i % p.out]?.indices[0] ?? 0);
    }
    gatherBlocks(x.data, blocks, inner, data);
    return { dtype: x.dtype, shape, data };
  }
  const data = isFloat(x.dtype)
    ? allocate(x.dtype, countOf(shape), context.wide)
    : new Float32Array(countOf(shape));
  if (isBig(x.data) || isBig(data)) throw new OpError(`${attrs.mode} resize of ${x.dtype}`);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < p.out; i++) {
      const { indices, weights } = taps[i] ?? { indices: [], weights: [] };
      const to = (o * p.out + i) * inner;
      for (let c = 0; c < inner; c++) {
        let sum = 0;
        for (let k = 0; k < indices.length; k++)
          sum += weights[k]! * x.data[(o * size + indices[k]!) * inner + c]!;
        data[to + c] = sum;
      }
    }
  }
  return { dtype: x.dtype, shape, data };
}

/** Separable in every mode: one axis after the other. */
export function resize(
  x: Tensor,
  roi: readonly number[] | null,
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  attrs: Attrs,
  context: Context,
): Tensor {
  let out = x;
  const beyond: { readonly axis: number; readonly flags: Uint8Array }[] = [];
  for (const p of plan(x, roi, scales, sizes, attrs)) {
    const untouched = p.scale === 1 && p.out === p.size && attrs.coordinates !== "tf_crop_and_resize";
    if (untouched) continue;
    const flags = new Uint8Array(p.out);
    out = resizeAxis(out, p, attrs, flags, context);
    if (flags.includes(1)) beyond.push({ axis: p.axis, flags });
  }
  for (const { axis, flags } of beyond) extrapolate(out, axis, flags, attrs.extrapolationValue);
  if (out !== x && !isFloat(x.dtype) && attrs.mode !== "nearest")
    throw new OpError(`${attrs.mode} resize of ${x.dtype}`);
  return out;
}

function extrapolate(t: Tensor, axis: number, flags: Uint8Array, value: number): void {
  const { outer, size, inner } = around(t.shape, axis);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < size; i++) {
      if (flags[i] === 0) continue;
      const from = (o * size + i) * inner;
      if (isBig(t.data)) t.data.fill(BigInt(value), from, from + inner);
      else t.data.fill(value, from, from + inner);
    }
  }
}
