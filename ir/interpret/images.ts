import { isBig } from "../constant/convert.js";
import type { OpAttrs } from "../ops/index.js";
import { allocate, countOf, type Tensor } from "../tensor.js";
import { at, conv, convTranspose, coordinates, windowOf } from "./tensors/conv.js";
import { imageConv } from "./tensors/image-conv.js";
import { resize } from "./tensors/resize.js";
import { type Context, floats, ints, newFloats, numbers, OpError, type Section, stridesOf } from "./value.js";

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

/** Convolutions and other windows over images. */
export const IMAGES: Section<"images"> = {
  "image-conv": (x, attrs, c) =>
    imageConv(x.tensor(0), x.tensor(1), { bias: x.optional(2), residual: x.optional(3) }, attrs, c),
  conv: (x, attrs, c) => conv(x.tensor(0), x.tensor(1), x.optional(2), attrs, c),
  "conv-transpose": (x, attrs, c) => convTranspose(x.tensor(0), x.tensor(1), x.optional(2), attrs, c),
  pool: (x, attrs, c) => pool(x.tensor(0), attrs, c),
  "global-pool": (x, { fn }, c) => globalPool(x.tensor(0), fn, c),
  resize: (x, attrs, c) => {
    const [roi, scales, sizes] = [x.optional(1), x.optional(2), x.optional(3)];
    const given = (t: Tensor | null) => (t === null || t.data.length === 0 ? null : ints(t));
    return resize(x.tensor(0), given(roi), given(scales), given(sizes), attrs, c);
  },
};
