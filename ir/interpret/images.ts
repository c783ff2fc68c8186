import { isBig } from "../constant/convert.js";
import type { OpAttrs } from "../ops/index.js";
import { allocate, countOf, type Tensor } from "../tensor.js";
import { at, coordinates, windowOf } from "./conv.js";
import { stridedCopy } from "./copy.js";
import { resize } from "./resize.js";
import {
  axesOf,
  type Context,
  floats,
  ints,
  like,
  newFloats,
  numbers,
  OpError,
  type Section,
  stridesOf,
} from "./value.js";

function pool(x: Tensor, attrs: OpAttrs["pool"], context: Context): Tensor {
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const { kernel } = attrs;
  const { begin, sizes } = windowOf(spatial, attrs);
  const area = countOf(spatial);
  const positions = countOf(sizes);
  const taps = countOf(kernel);
  const strides = stridesOf(spatial);
  const data = numbers(x);
  const values = allocate(x.dtype, batch * channels * positions, context.wide);
  if (isBig(values)) throw new OpError(`pool of ${x.dtype}`);
  const where: number[] = [];
  const tap: number[] = [];
  const under = new Int32Array(taps);
  for (let p = 0; p < positions; p++) {
    coordinates(p, sizes, where);
    let count = 0;
    let padded = 0;
    for (let t = 0; t < taps; t++) {
      coordinates(t, kernel, tap);
      let index = 0;
      let inPadding = true;
      for (let i = 0; i < spatial.length; i++) {
        const c = where[i]! * at(attrs.strides, i, 1) - begin[i]! + tap[i]! * at(attrs.dilations, i, 1);
        if (c < 0 || c >= spatial[i]!) index = Number.NaN;
        else index += c * strides[i]!;
        // What ceil mode adds beyond the padding never counts.
        if (attrs.autoPad === "notset" && c >= spatial[i]! + at(attrs.pads, i + spatial.length, 0))
          inPadding = false;
      }
      if (!Number.isNaN(index)) under[count++] = index;
      if (inPadding) padded++;
    }
    for (let plane = 0; plane < batch * channels; plane++) {
      const from = plane * area;
      const to = plane * positions + p;
      if (attrs.fn === "average") {
        let sum = 0;
        for (let t = 0; t < count; t++) sum += data[from + under[t]!]!;
        values[to] = sum / (attrs.countIncludePad ? padded : count);
        continue;
      }
      let best = under[0] ?? 0;
      for (let t = 1; t < count; t++) if (data[from + under[t]!]! > data[from + best]!) best = under[t]!;
      values[to] = count === 0 ? -Infinity : data[from + best]!;
    }
  }
  return { dtype: x.dtype, shape: [batch, channels, ...sizes], data: values };
}

function globalPool(x: Tensor, fn: "max" | "average", context: Context): Tensor {
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const area = countOf(spatial);
  const data = floats(x);
  const out = newFloats(x.dtype, batch * channels, context.wide);
  for (let i = 0; i < out.length; i++) {
    let value = fn === "max" ? -Infinity : 0;
    for (let k = i * area; k < (i + 1) * area; k++)
      value = fn === "max" ? Math.max(value, data[k]!) : value + data[k]!;
    out[i] = fn === "max" ? value : value / area;
  }
  return { dtype: x.dtype, shape: [batch, channels, ...spatial.map(() => 1)], data: out };
}

/** The source index of each padded index along one axis; -1 for the constant. */
function paddedIndices(size: number, before: number, after: number, mode: OpAttrs["pad"]["mode"]): number[] {
  const out: number[] = [];
  for (let i = -before; i < size + after; i++) {
    if (i >= 0 && i < size) out.push(i);
    else if (mode === "constant" || size === 0) out.push(-1);
    else if (mode === "edge") out.push(i < 0 ? 0 : size - 1);
    else if (mode === "wrap") out.push(((i % size) + size) % size);
    else {
      const period = Math.max(1, 2 * (size - 1));
      const m = ((i % period) + period) % period;
      out.push(m < size ? m : period - m);
    }
  }
  return out;
}

/** Pads may be negative: they cut. Axis by axis, so that corners repeat what edges hold. */
function pad(
  x: Tensor,
  pads: readonly number[],
  value: Tensor | null,
  axes: readonly number[],
  mode: OpAttrs["pad"]["mode"],
): Tensor {
  if (pads.length !== 2 * axes.length) throw new OpError(`${pads.length} pads for ${axes.length} axes`);
  return axes.reduce((t, axis, i) => padAxis(t, axis, pads[i]!, pads[i + axes.length]!, value, mode), x);
}

function padAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  value: Tensor | null,
  mode: OpAttrs["pad"]["mode"],
): Tensor {
  if (before === 0 && after === 0) return x;
  const size = x.shape[axis]!;
  const from = paddedIndices(size, before, after, mode);
  const shape = [...x.shape];
  shape[axis] = from.length;
  const data = like(x, countOf(shape));
  if (value !== null) {
    const v = value.data[0] ?? 0;
    if (isBig(data)) data.fill(BigInt(v));
    else data.fill(Number(v));
  }
  const [own, target] = [stridesOf(x.shape), stridesOf(shape)];
  const slab = shape.map((d, i) => (i === axis ? 1 : d));
  // Runs of consecutive source indices are copied at once.
  for (let start = 0; start < from.length; ) {
    let end = start + 1;
    while (end < from.length && from[start]! >= 0 && from[end] === from[end - 1]! + 1) end++;
    if (from[start]! >= 0) {
      slab[axis] = end - start;
      stridedCopy(
        slab,
        { data: x.data, offset: from[start]! * own[axis]!, strides: own },
        { data, offset: start * target[axis]!, strides: target },
      );
    }
    start = end;
  }
  return { dtype: x.dtype, shape, data };
}

export const IMAGE: Section<"pool" | "global-pool" | "pad" | "resize"> = {
  pool: (x, attrs, c) => pool(x.tensor(0), attrs, c),
  "global-pool": (x, { fn }, c) => globalPool(x.tensor(0), fn, c),
  pad: (x, { mode }) => {
    const t = x.tensor(0);
    const axes = x.optional(3);
    const along = axes === null ? t.shape.map((_, i) => i) : axesOf(ints(axes), t.shape.length);
    return pad(t, ints(x.tensor(1)), x.optional(2), along, mode);
  },
  resize: (x, attrs, c) => {
    const [roi, scales, sizes] = [x.optional(1), x.optional(2), x.optional(3)];
    const given = (t: Tensor | null) => (t === null || t.data.length === 0 ? null : ints(t));
    return resize(x.tensor(0), given(roi), given(scales), given(sizes), attrs, c);
  },
};
