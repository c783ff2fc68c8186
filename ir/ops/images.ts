import { addDims, type Dim, divDims, mulDims, type Shape } from "../dim.js";
import { type AttrsOf, oneOf, op, orNull } from "./definition.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { PLAIN, type Traits } from "./traits.js";

const AUTO_PADS = oneOf("notset", "same-upper", "same-lower", "valid");
export type AutoPad = (typeof AUTO_PADS.oneOf)[number];

const WINDOW = {
  strides: "numbers",
  pads: "numbers",
  dilations: "numbers",
  autoPad: AUTO_PADS,
} as const;

const CONV = { ...WINDOW, kernel: orNull("numbers"), group: "number" } as const;
export type ConvAttrs = AttrsOf<typeof CONV>;

interface Window extends AttrsOf<typeof WINDOW> {
  readonly kernel: readonly number[];
  readonly ceilMode: boolean;
}

/** Output extent of one spatial axis of a sliding window. */
function windowSize(size: Dim, w: Window, i: number): Dim | undefined {
  const stride = w.strides[i] ?? 1;
  const reach = ((w.kernel[i] ?? 1) - 1) * (w.dilations[i] ?? 1) + 1;
  const same = w.autoPad === "same-upper" || w.autoPad === "same-lower";
  const axes = w.kernel.length;
  const padding = w.autoPad === "notset" ? (w.pads[i] ?? 0) + (w.pads[i + axes] ?? 0) : 0;
  if (same) return ceilDiv(size, stride);
  const span = addDims(size, padding - reach);
  if (typeof span === "number") {
    const steps = w.ceilMode ? Math.ceil(span / stride) : Math.floor(span / stride);
    // A window that starts in the padding after the input does not count.
    const extra = w.ceilMode && typeof size === "number" && steps * stride >= size + (w.pads[i] ?? 0) ? 0 : 1;
    return steps + extra;
  }
  if (stride === 1) return addDims(span, 1);
  for (let rest = 0; rest < stride; rest++) {
    const exact = divDims(addDims(span, -rest), stride);
    if (exact !== undefined) return addDims(exact, w.ceilMode && rest > 0 ? 2 : 1);
  }
  return undefined;
}

function ceilDiv(size: Dim, by: number): Dim | undefined {
  return typeof size === "number" ? Math.ceil(size / by) : divDims(size, by);
}

function spatial(shape: Shape, w: Window): readonly Dim[] | null {
  const result: Dim[] = [];
  for (const [i, d] of shape.slice(2).entries()) {
    const size = windowSize(d, w, i);
    if (size === undefined) return null;
    result.push(size);
  }
  return result;
}

function kernelOf(o: Operands, attrs: ConvAttrs): readonly number[] | null {
  if (attrs.kernel !== null && attrs.kernel.length > 0) return attrs.kernel;
  const dims = o.shape(1)?.slice(2) ?? null;
  return dims?.every((d) => typeof d === "number") ? (dims as readonly number[]) : null;
}

function conv(o: Operands, attrs: ConvAttrs): Shape | null {
  const [x, w] = [o.shape(0), o.shape(1)];
  const kernel = kernelOf(o, attrs);
  if (x === null || w === null || kernel === null) return null;
  o.unify(x[1] ?? 1, mulDims(w[1] ?? 1, attrs.group), "input channels");
  const sizes = spatial(x, { ...attrs, kernel, ceilMode: false });
  return sizes === null ? null : [x[0] ?? 1, w[0] ?? 1, ...sizes];
}

const CONTRACTION: Traits<unknown> = { ...PLAIN, work: "contraction" };

/** Convolutions and other windows over images. */
export const images = {
  /** (x, w, b?) */
  conv: op({
    operands: [2, 3],
    attrs: CONV,
    infer: (o, attrs) => tensor(o.dtype(0), conv(o, attrs)),
    traits: CONTRACTION,
  }),
  "conv-transpose": op({
    operands: [2, 3],
    attrs: { ...CONV, outputPadding: "numbers", outputShape: orNull("numbers") },
    infer: (o, attrs) => {
      const [x, w] = [o.shape(0), o.shape(1)];
      const kernel = kernelOf(o, attrs);
      if (x === null || w === null || kernel === null) return tensor(o.dtype(0), null);
      const axes = kernel.length;
      const sizes = x.slice(2).map((d, i): Dim => {
        const given = attrs.outputShape?.at(attrs.outputShape.length - axes + i);
        if (given !== undefined) return given;
        const stride = attrs.strides[i] ?? 1;
        if (attrs.autoPad === "same-upper" || attrs.autoPad === "same-lower") return mulDims(d, stride);
        const reach = ((kernel[i] ?? 1) - 1) * (attrs.dilations[i] ?? 1) + 1;
        const padding = attrs.autoPad === "valid" ? 0 : (attrs.pads[i] ?? 0) + (attrs.pads[i + axes] ?? 0);
        return addDims(mulDims(addDims(d, -1), stride), reach + (attrs.outputPadding[i] ?? 0) - padding);
      });
      return tensor(o.dtype(0), [x[0] ?? 1, mulDims(w[1] ?? 1, attrs.group), ...sizes]);
    },
    traits: CONTRACTION,
  }),
  pool: op({
    operands: 1,
    attrs: {
      ...WINDOW,
      fn: oneOf("max", "average"),
      kernel: "numbers",
      ceilMode: "bool",
      countIncludePad: "bool",
    },
    infer: (o, attrs) => {
      const x = o.shape(0);
      const sizes = x === null ? null : spatial(x, attrs);
      return tensor(o.dtype(0), x === null || sizes === null ? null : [x[0] ?? 1, x[1] ?? 1, ...sizes]);
    },
    traits: PLAIN,
  }),
  "global-pool": op({
    operands: 1,
    attrs: { fn: oneOf("max", "average") },
    infer: (o) => tensor(o.dtype(0), o.shape(0)?.map((d, i) => (i < 2 ? d : 1)) ?? null),
    traits: PLAIN,
  }),
  /** (x, roi?, scales?, sizes?) */
  resize: op({
    operands: [1, 4],
    attrs: {
      mode: oneOf("nearest", "linear", "cubic"),
      coordinates: "string",
      nearestMode: "string",
      cubicA: "number",
      excludeOutside: "bool",
      extrapolationValue: "number",
      axes: orNull("numbers"),
      keepAspectRatio: "string",
    },
    infer: (o, { axes }) => {
      const x = o.shape(0);
      if (x === null) return tensor(o.dtype(0), null);
      const at = axes?.map((a) => o.axis(a, x.length)) ?? x.map((_, i) => i);
      const sizes = o.ints(3);
      const scales = o.numbers(2);
      const result: Dim[] = [...x];
      for (const [i, axis] of at.entries()) {
        const size = sizes !== undefined && sizes.length > 0 ? sizes[i] : scaled(x[axis] ?? 1, scales?.[i]);
        if (size === undefined) return tensor(o.dtype(0), null);
        result[axis] = size;
      }
      return tensor(o.dtype(0), result);
    },
    traits: PLAIN,
  }),
};

function scaled(size: Dim, scale: number | undefined): Dim | undefined {
  if (scale === undefined) return undefined;
  if (typeof size === "number") return Math.floor(size * scale);
  return Number.isInteger(scale) ? mulDims(size, scale) : divDims(size, 1 / scale);
}
