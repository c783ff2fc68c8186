import type { AutoPad, ConvAttrs } from "../../../ir/ops/images.js";
import type { Section } from "../operands.js";
import type { Attributes, Name } from "../writer.js";
import { flag } from "../writer.js";

const AUTO_PAD: Readonly<Record<AutoPad, string>> = {
  notset: "NOTSET",
  "same-upper": "SAME_UPPER",
  "same-lower": "SAME_LOWER",
  valid: "VALID",
};

/** [B, C, H, W] from [B, H, W, C]. */
const CHANNELS_FIRST = [0, 3, 1, 2];

/** Sliding windows. Explicit pads and automatic ones exclude each other. */
function windows(attrs: Omit<ConvAttrs, "group" | "kernel">): Attributes {
  const { strides, pads, dilations, autoPad } = attrs;
  return {
    strides: { ints: strides },
    dilations: { ints: dilations },
    auto_pad: { string: AUTO_PAD[autoPad] },
    ...(autoPad === "notset" ? { pads: { ints: pads } } : {}),
  };
}

function convolution(attrs: ConvAttrs): Attributes {
  return {
    ...windows(attrs),
    group: { int: attrs.group },
    ...(attrs.kernel === null ? {} : { kernel_shape: { ints: attrs.kernel } }),
  };
}

/** Convolutions and other windows over images. */
export const images: Section<"images"> = {
  "image-conv": (n, { stride, pads, upsample }) => {
    const dtype = n.dtype(0);
    const enlarge = (x: Name) =>
      upsample === 1
        ? x
        : n.op("Resize", [x, null, n.writer.floats([1, 1, upsample, upsample], [4])], {
            mode: { string: "nearest" },
            coordinate_transformation_mode: { string: "asymmetric" },
            nearest_mode: { string: "floor" },
          });
    const x = enlarge(n.transpose(n.input(0), CHANNELS_FIRST));
    const w = n.transpose(n.as(1, dtype), CHANNELS_FIRST);
    const operands = [x, w, n.has(2) ? n.as(2, dtype) : null];
    const y = n.op("Conv", operands, { strides: { ints: [stride, stride] }, pads: { ints: pads } });
    const rows = n.transpose(y, [0, 2, 3, 1]);
    return n.has(3) ? n.op("Add", [rows, n.as(3, dtype)]) : rows;
  },
  conv: (n, attrs) => n.op("Conv", n.rest(), convolution(attrs)),
  "conv-transpose": (n, attrs) =>
    n.op("ConvTranspose", n.rest(), {
      ...convolution(attrs),
      output_padding: { ints: attrs.outputPadding },
      ...(attrs.outputShape === null ? {} : { output_shape: { ints: attrs.outputShape } }),
    }),
  pool: (n, attrs) =>
    n.op(attrs.fn === "max" ? "MaxPool" : "AveragePool", [n.input(0)], {
      ...windows(attrs),
      kernel_shape: { ints: attrs.kernel },
      ceil_mode: flag(attrs.ceilMode),
      ...(attrs.fn === "max" ? {} : { count_include_pad: flag(attrs.countIncludePad) }),
    }),
  "global-pool": (n, { fn }) => n.op(fn === "max" ? "GlobalMaxPool" : "GlobalAveragePool", [n.input(0)]),
  resize: (n, attrs) =>
    n.op("Resize", n.rest(), {
      mode: { string: attrs.mode },
      coordinate_transformation_mode: { string: attrs.coordinates },
      nearest_mode: { string: attrs.nearestMode },
      cubic_coeff_a: { float: attrs.cubicA },
      exclude_outside: flag(attrs.excludeOutside),
      extrapolation_value: { float: attrs.extrapolationValue },
      keep_aspect_ratio_policy: { string: attrs.keepAspectRatio },
      ...(attrs.axes === null ? {} : { axes: { ints: attrs.axes } }),
    }),
};
