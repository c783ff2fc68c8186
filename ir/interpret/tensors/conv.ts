import type { AutoPad, ConvAttrs } from "../../ops/images.js";
import type { OpAttrs } from "../../ops/index.js";
import { countOf, type Tensor } from "../../tensor.js";
import { type Context, floats, newFloats, OpError, stridesOf } from "../value.js";
import { gemm } from "./gemm.js";

/** Begin pads of each spatial axis and the output's sizes. */
export interface Window {
  readonly begin: readonly number[];
  readonly sizes: readonly number[];
}

export interface WindowOptions {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly autoPad: AutoPad;
  readonly ceilMode?: boolean;
}

/** Attributes may be empty lists: ones, and no padding. */
export function at(list: readonly number[], i: number, fallback: number): number {
  return list[i] ?? fallback;
}

/** Where windows lie along each axis, as ONNX Conv and pools define it. */
export function windowOf(spatial: readonly number[], o: WindowOptions): Window {
  const begin: number[] = [];
  const sizes: number[] = [];
  spatial.forEach((size, i) => {
    const stride = at(o.strides, i, 1);
    const extent = (o.kernel[i]! - 1) * at(o.dilations, i, 1) + 1;
    if (o.autoPad === "same-upper" || o.autoPad === "same-lower") {
      const out = Math.ceil(size / stride);
      const total = Math.max(0, (out - 1) * stride + extent - size);
      begin.push(o.autoPad === "same-upper" ? Math.floor(total / 2) : Math.ceil(total / 2));
      sizes.push(out);
      return;
    }
    const before = o.autoPad === "valid" ? 0 : at(o.pads, i, 0);
    const after = o.autoPad === "valid" ? 0 : at(o.pads, i + spatial.length, 0);
    const steps = (size + before + after - extent) / stride;
    let out = (o.ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window may not start in the padding after the end.
    if (o.ceilMode && (out - 1) * stride >= size + before) out--;
    begin.push(before);
    sizes.push(Math.max(0, out));
  });
  return { begin, sizes };
}

/** Coordinates of a flat index. */
export function coordinates(index: number, shape: readonly number[], out: number[]): void {
  let rest = index;
  for (let i = shape.length - 1; i >= 0; i--) {
    out[i] = rest % shape[i]!;
    rest = Math.floor(rest / shape[i]!);
  }
}

/** Output positions whose input columns are laid out at a time. */
const TILE = 1024;

/** Convolution as a product with the columns under each window (im2col), a tile of positions at a time. */
export function conv(x: Tensor, w: Tensor, bias: Tensor | null, attrs: ConvAttrs, context: Context): Tensor {
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const [filters = 1, perGroup = 1, ...kernel] = w.shape;
  if (
    kernel.length !== spatial.length ||
    perGroup * attrs.group !== channels ||
    filters % attrs.group !== 0
  ) {
    throw new OpError(
      `a filter [${w.shape.join(", ")}] in ${attrs.group} groups for [${x.shape.join(", ")}]`,
    );
  }
  const window = windowOf(spatial, { ...attrs, kernel });
  const positions = countOf(window.sizes);
  const taps = countOf(kernel);
  const depth = perGroup * taps;
  const outPerGroup = filters / attrs.group;
  const [data, weight] = [floats(x), floats(w)];
  const out = newFloats(x.dtype, batch * filters * positions, context.wide);
  const columns = new Float64Array(depth * Math.min(TILE, positions));
  const piece = newFloats(x.dtype, outPerGroup * Math.min(TILE, positions), context.wide);
  for (let from = 0; from < positions; from += TILE) {
    const count = Math.min(TILE, positions - from);
    // The element under each (tap, position) relative to a channel, -1 in the padding.
    const taken = tapIndices(spatial, kernel, window, attrs, from, count);
    for (let n = 0; n < batch; n++) {
      for (let g = 0; g < attrs.group; g++) {
        fillColumns(
          data,
          (n * channels + g * perGroup) * countOf(spatial),
          countOf(spatial),
          perGroup,
          taken,
          columns,
        );
        const left = { data: weight, offset: g * outPerGroup * depth, row: depth, column: 1 };
        gemm(outPerGroup, count, depth, left, { data: columns, offset: 0, row: count, column: 1 }, piece, 0);
        for (let f = 0; f < outPerGroup; f++) {
          const to = (n * filters + g * outPerGroup + f) * positions + from;
          out.set(piece.subarray(f * count, (f + 1) * count), to);
        }
      }
    }
  }
  addChannelBias(out, bias, filters, positions);
  return { dtype: x.dtype, shape: [batch, filters, ...window.sizes], data: out };
}

function addChannelBias(
  out: Float32Array | Float64Array,
  bias: Tensor | null,
  channels: number,
  positions: number,
): void {
  if (bias === null) return;
  const b = floats(bias);
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + b[Math.floor(i / positions) % channels]!;
}

function tapIndices(
  spatial: readonly number[],
  kernel: readonly number[],
  window: Window,
  attrs: { readonly strides: readonly number[]; readonly dilations: readonly number[] },
  from: number,
  count: number,
): Int32Array {
  const taps = countOf(kernel);
  const strides = stridesOf(spatial);
  const taken = new Int32Array(taps * count);
  const where: number[] = [];
  const tap: number[] = [];
  for (let p = 0; p < count; p++) {
    coordinates(from + p, window.sizes, where);
    for (let t = 0; t < taps; t++) {
      coordinates(t, kernel, tap);
      let index = 0;
      for (let i = 0; i < spatial.length && index >= 0; i++) {
        const c =
          where[i]! * at(attrs.strides, i, 1) - window.begin[i]! + tap[i]! * at(attrs.dilations, i, 1);
        index = c < 0 || c >= spatial[i]! ? -1 : index + c * strides[i]!;
      }
      taken[t * count + p] = index;
    }
  }
  return taken;
}

function fillColumns(
  data: Float32Array | Float64Array,
  base: number,
  area: number,
  channels: number,
  taken: Int32Array,
  columns: Float64Array,
): void {
  for (let c = 0, o = 0; c < channels; c++) {
    const from = base + c * area;
    for (let i = 0; i < taken.length; i++, o++) {
      const index = taken[i]!;
      columns[o] = index < 0 ? 0 : data[from + index]!;
    }
  }
}

/** The transpose of conv: every input element adds its scaled filter to the output. */
export function convTranspose(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  attrs: OpAttrs["conv-transpose"],
  context: Context,
): Tensor {
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const [inputs = 1, perGroup = 1, ...kernel] = w.shape;
  const rank = spatial.length;
  if (inputs !== channels || kernel.length !== rank || channels % attrs.group !== 0) {
    throw new OpError(
      `a filter [${w.shape.join(", ")}] in ${attrs.group} groups for [${x.shape.join(", ")}]`,
    );
  }
  const { begin, sizes } = transposedWindow(spatial, kernel, attrs);
  const filters = perGroup * attrs.group;
  const positions = countOf(sizes);
  const area = countOf(spatial);
  const taps = countOf(kernel);
  const inPerGroup = channels / attrs.group;
  const [data, weight] = [floats(x), floats(w)];
  const sums = new Float64Array(batch * filters * positions);
  const strides = stridesOf(sizes);
  const target = new Int32Array(area * taps);
  const where: number[] = [];
  const tap: number[] = [];
  for (let p = 0; p < area; p++) {
    coordinates(p, spatial, where);
    for (let t = 0; t < taps; t++) {
      coordinates(t, kernel, tap);
      let index = 0;
      for (let i = 0; i < rank && index >= 0; i++) {
        const c = where[i]! * at(attrs.strides, i, 1) + tap[i]! * at(attrs.dilations, i, 1) - begin[i]!;
        index = c < 0 || c >= sizes[i]! ? -1 : index + c * strides[i]!;
      }
      target[p * taps + t] = index;
    }
  }
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const group = Math.floor(c / inPerGroup);
      for (let f = 0; f < perGroup; f++) {
        const to = (n * filters + group * perGroup + f) * positions;
        const filter = (c * perGroup + f) * taps;
        for (let p = 0; p < area; p++) {
          const v = data[(n * channels + c) * area + p]!;
          for (let t = 0; t < taps; t++) {
            const index = target[p * taps + t]!;
            if (index >= 0) sums[to + index]! += v * weight[filter + t]!;
          }
        }
      }
    }
  }
  const out = newFloats(x.dtype, sums.length, context.wide);
  out.set(sums);
  addChannelBias(out, bias, filters, positions);
  return { dtype: x.dtype, shape: [batch, filters, ...sizes], data: out };
}

function transposedWindow(
  spatial: readonly number[],
  kernel: readonly number[],
  attrs: OpAttrs["conv-transpose"],
): Window {
  const rank = spatial.length;
  const begin: number[] = [];
  const sizes: number[] = [];
  // An output shape may name the batch and channels too.
  const wanted =
    attrs.outputShape === null || attrs.outputShape.length === 0 ? null : attrs.outputShape.slice(-rank);
  spatial.forEach((size, i) => {
    const stride = at(attrs.strides, i, 1);
    const full =
      stride * (size - 1) + at(attrs.outputPadding, i, 0) + (kernel[i]! - 1) * at(attrs.dilations, i, 1) + 1;
    const same = attrs.autoPad === "same-upper" || attrs.autoPad === "same-lower";
    const target = wanted?.[i] ?? (same ? size * stride : undefined);
    if (target !== undefined) {
      const total = Math.max(0, full - target);
      begin.push(attrs.autoPad === "same-upper" ? Math.floor(total / 2) : Math.ceil(total / 2));
      sizes.push(target);
      return;
    }
    const before = attrs.autoPad === "valid" ? 0 : at(attrs.pads, i, 0);
    const after = attrs.autoPad === "valid" ? 0 : at(attrs.pads, i + rank, 0);
    begin.push(before);
    sizes.push(full - before - after);
  });
  return { begin, sizes };
}
