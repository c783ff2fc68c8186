import type { ValueId } from "../../../ir/graph/graph.js";
import type { AutoPad, ConvAttrs } from "../../../ir/ops/images.js";
import { countOf } from "../../../ir/tensor.js";
import type { Operation } from "../operation.js";

const AUTO_PADS: ReadonlyMap<string, AutoPad> = new Map([
  ["NOTSET", "notset"],
  ["SAME_UPPER", "same-upper"],
  ["SAME_LOWER", "same-lower"],
  ["VALID", "valid"],
]);

function autoPad(n: Operation): AutoPad {
  const word = n.word("auto_pad", [...AUTO_PADS.keys()], "NOTSET");
  return AUTO_PADS.get(word) ?? "notset";
}

/** Attributes of sliding windows, with defaults for `spatial` axes. */
function windowAttrs(n: Operation, spatial: number) {
  const list = (name: string, length: number, fallback: number) => {
    const values = n.ints(name) ?? Array.from({ length }, () => fallback);
    if (values.length === length) return values;
    return n.fail(`the attribute "${name}" has the wrong length`, `${length} numbers`, `${values.length}`);
  };
  return {
    strides: list("strides", spatial, 1),
    pads: list("pads", 2 * spatial, 0),
    dilations: list("dilations", spatial, 1),
    autoPad: autoPad(n),
  };
}

function convAttrs(n: Operation, x: ValueId, weight: ValueId): ConvAttrs {
  const kernel = n.ints("kernel_shape");
  const spatial = kernel?.length ?? (n.rank(weight) ?? n.rank(x) ?? 0) - 2;
  if (spatial < 1)
    n.refuse("the number of spatial axes is not known", "neither kernel_shape nor a constant weight");
  return { kernel, ...windowAttrs(n, spatial), group: n.int("group", 1) };
}

function convOperands(n: Operation): readonly ValueId[] {
  const x = n.input(0);
  const weight = n.input(1);
  const bias = n.optional(2);
  n.sameType(x, weight, bias);
  return bias === null ? [x, weight] : [x, weight, bias];
}

export function Conv(n: Operation) {
  n.result("conv", convOperands(n), convAttrs(n, n.input(0), n.input(1)));
}

export function ConvTranspose(n: Operation) {
  const attrs = convAttrs(n, n.input(0), n.input(1));
  const outputPadding = n.ints("output_padding") ?? attrs.strides.map(() => 0);
  n.result("conv-transpose", convOperands(n), {
    ...attrs,
    outputPadding,
    outputShape: n.ints("output_shape"),
  });
}

function pool(n: Operation, fn: "max" | "average"): void {
  const x = n.input(0);
  const kernel =
    n.ints("kernel_shape") ?? n.fail(`the attribute "kernel_shape" is missing`, "a list", "none");
  const countIncludePad = fn === "average" && n.flag("count_include_pad", false);
  if (fn === "max") n.ignore("storage_order");
  const attrs = { kernel, ...windowAttrs(n, kernel.length), ceilMode: n.flag("ceil_mode", false) };
  n.result("pool", [x], { fn, ...attrs, countIncludePad });
}

export function MaxPool(n: Operation) {
  pool(n, "max");
}

export function AveragePool(n: Operation) {
  pool(n, "average");
}

export function GlobalAveragePool(n: Operation) {
  n.result("global-pool", [n.input(0)], { fn: "average" });
}

export function GlobalMaxPool(n: Operation) {
  n.result("global-pool", [n.input(0)], { fn: "max" });
}

const COORDINATES = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
  "tf_half_pixel_for_nn",
];
const NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

export function Resize(n: Operation) {
  const x = n.input(0);
  const mode = n.word("mode", ["nearest", "linear", "cubic"], "nearest");
  if (n.opset < 11) return resizeByScales(n, x, n.input(1), mode);
  if (n.flag("antialias", false)) n.refuse("Resize with antialias is not supported");
  const sizes = present(n, n.optional(3));
  const scales = present(n, n.optional(2));
  if ((sizes === null) === (scales === null)) {
    n.fail("Resize takes either scales or sizes", "one of them", sizes === null ? "neither" : "both");
  }
  const coordinates = n.word("coordinate_transformation_mode", COORDINATES, "half_pixel");
  // The region of interest means something for one mode only; exporters fill it with anything.
  const roi = coordinates === "tf_crop_and_resize" ? n.input(1) : null;
  n.result("resize", [x, roi, scales, sizes], {
    mode,
    coordinates,
    nearestMode: n.word("nearest_mode", NEAREST, "round_prefer_floor"),
    cubicA: n.float("cubic_coeff_a", -0.75),
    excludeOutside: n.flag("exclude_outside", false),
    extrapolationValue: n.float("extrapolation_value", 0),
    axes: n.ints("axes"),
    keepAspectRatio: n.word("keep_aspect_ratio_policy", ["stretch", "not_larger", "not_smaller"], "stretch"),
  });
}

/** Exporters write an absent operand as an empty tensor. */
function present(n: Operation, id: ValueId | null): ValueId | null {
  const constant = id === null ? undefined : n.constantOf(id);
  return constant !== undefined && countOf(constant.shape) === 0 ? null : id;
}

/** Resize of opset 10 and Upsample: asymmetric coordinates, and floor for nearest. */
function resizeByScales(
  n: Operation,
  x: ValueId,
  scales: ValueId,
  mode: "nearest" | "linear" | "cubic",
): void {
  n.result("resize", [x, null, scales, null], {
    mode,
    coordinates: "asymmetric",
    nearestMode: "floor",
    cubicA: -0.75,
    excludeOutside: false,
    extrapolationValue: 0,
    axes: null,
    keepAspectRatio: "stretch",
  });
}

export function Upsample(n: Operation) {
  const x = n.input(0);
  const mode = n.word("mode", ["nearest", "linear"], "nearest");
  if (n.opset >= 9) return resizeByScales(n, x, n.input(1), mode);
  const scales = n.floats("scales") ?? n.fail(`the attribute "scales" is missing`, "a list", "none");
  resizeByScales(n, x, n.f32(scales), mode);
}
