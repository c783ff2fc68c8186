import { addDims, type Dim, divDims, mulDims, type Shape } from "../dim.js";
import { type AttrsOf, oneOf, op, orNull } from "./definition.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { PLAIN, SAMPLES, type Traits } from "./traits.js";

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

const IMAGE_CONV = {
  /** Of both axes. */
  stride: "number",
  /** Rows and columns of zeros: [top, left, bottom, right]. */
  pads: "numbers",
  /** Each pixel of x is read as a square of so many by so many: enlarging by the nearest pixel, then the convolution. */
  upsample: "number",
} as const;
export type ImageConvAttrs = AttrsOf<typeof IMAGE_CONV>;

function imageConv(o: Operands, { stride, pads, upsample }: ImageConvAttrs): Shape | null {
  const [x, w] = [o.shape(0), o.shape(1)];
  if (x === null || w === null) return null;
  const [batch = 1, height = 1, width = 1, channels = 1] = x;
  const [filters = 1, ky = 1, kx = 1, inputs = 1] = w;
  if (x.length !== 4 || w.length !== 4 || typeof ky !== "number" || typeof kx !== "number")
    o.fail("x [B, H, W, C] and w [out, ky, kx, C]", `[${x.join(", ")}] and [${w.join(", ")}]`);
  if (pads.length !== 4 || !pads.every(isCount) || !isCount(stride - 1) || !isCount(upsample - 1))
    o.fail(
      "four pads of 0 or more, stride and upsample of 1 or more",
      `${pads.join(", ")}; ${stride}, ${upsample}`,
    );
  o.unify(channels, inputs, "input channels");
  const window = { kernel: [ky, kx], strides: [stride, stride], pads, dilations: [1, 1], ceilMode: false };
  const sizes = [height, width].map((size, i) =>
    windowSize(mulDims(size, upsample), { ...window, autoPad: "notset" }, i),
  );
  const [rows, columns] = sizes;
  if (rows === undefined || columns === undefined) return null;
  if (o.has(2)) o.unify(filters, o.shape(2)?.[0] ?? filters, "filters and biases");
  const shape = [batch, rows, columns, filters];
  const residual = o.has(3) ? o.shape(3) : null;
  for (const [i, size] of residual?.entries() ?? [])
    o.unify(shape[i] ?? 1, size, `axis ${i} of the residual`);
  return shape;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Convolutions and other windows over images. */
export const images = {
  /** (x [B, H, W, C], w [out, ky, kx, C], bias [out]?, residual [B, H', W', out]?) → [B, H', W', out]: a convolution of
   *  pictures whose pixels are rows of channels, plus the bias, plus the residual. */
  "image-conv": op({
    operands: [2, 4],
    attrs: IMAGE_CONV,
    infer: (o, attrs) => tensor(o.dtype(0), imageConv(o, attrs)),
    traits: { ...SAMPLES, work: "contraction" },
  }),
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
