import type { Dim } from "../dim.js";
import type { DType } from "../dtype.js";
import type { Graph } from "../graph/graph.js";
import type { RopeFrequencies, SinusoidFrequencies } from "./frequencies.js";

/**
 * Operations of the graph level and their attributes, by section. An operand that ONNX turned from an
 * attribute into an input over the opsets is an *input* here, whatever the file's opset, so that every
 * op has one form. Axes in attributes may be negative until `canonicalize` has run.
 */
export interface GenericOps {
  // Elementwise with ONNX (NumPy) broadcasting.
  readonly unary: { readonly fn: UnaryFn };
  readonly binary: { readonly fn: BinaryFn };
  /** (condition, then, else) */
  readonly where: Empty;
  readonly cast: { readonly to: DType };
  /** alpha is the slope, cap, exponent scale etc. that the ONNX operator of the same name takes. */
  readonly "leaky-relu": { readonly alpha: number };
  readonly elu: { readonly alpha: number };
  readonly celu: { readonly alpha: number };
  readonly selu: { readonly alpha: number; readonly gamma: number };
  readonly "hard-sigmoid": { readonly alpha: number; readonly beta: number };
  readonly "thresholded-relu": { readonly alpha: number };
  readonly shrink: { readonly bias: number; readonly lambd: number };
  /** (x, slope) */
  readonly prelu: Empty;

  // Shapes. Shape-like operands are i64 values, constant or computed.
  readonly shape: { readonly start: number; readonly end: number | null };
  readonly size: Empty;
  /** (x, shape): 0 copies the input's dimension unless allowZero; one -1 is inferred. */
  readonly reshape: { readonly allowZero: boolean };
  /** (x, shape): two-way broadcasting, as ONNX Expand. */
  readonly expand: Empty;
  readonly squeeze: Empty; // (x, axes?)
  readonly unsqueeze: Empty; // (x, axes)
  readonly flatten: { readonly axis: number };
  readonly transpose: { readonly perm: readonly number[] | null };
  readonly concat: { readonly axis: number };
  /** (x, sizes?) → parts */
  readonly split: { readonly axis: number };
  /** (x, starts, ends, axes?, steps?) */
  readonly slice: Empty;
  readonly gather: { readonly axis: number };
  readonly "gather-elements": { readonly axis: number };
  readonly "gather-nd": { readonly batchDims: number };
  readonly "scatter-elements": { readonly axis: number; readonly reduction: ScatterReduction };
  readonly "scatter-nd": { readonly reduction: ScatterReduction };
  readonly tile: Empty; // (x, repeats)
  /** (x, pads, value?, axes?) */
  readonly pad: { readonly mode: "constant" | "reflect" | "edge" | "wrap" };
  /** (shape) → filled with value */
  readonly "constant-of-shape": { readonly value: number; readonly dtype: DType };
  readonly range: Empty; // (start, limit, delta)
  readonly nonzero: Empty;
  readonly "one-hot": { readonly axis: number }; // (indices, depth, [off, on])
  readonly trilu: { readonly upper: boolean }; // (x, k?)
  readonly "eye-like": { readonly k: number; readonly dtype: DType | null };
  readonly cumsum: { readonly exclusive: boolean; readonly reverse: boolean }; // (x, axis)
  readonly "depth-to-space": { readonly blockSize: number; readonly mode: "DCR" | "CRD" };
  readonly "space-to-depth": { readonly blockSize: number };
  readonly topk: { readonly axis: number; readonly largest: boolean; readonly sorted: boolean }; // (x, k)
  readonly compress: { readonly axis: number | null }; // (x, condition)

  // Reductions and normalizations.
  /** (x, axes?); without axes: all, or none if noopWithEmptyAxes */
  readonly reduce: { readonly fn: ReduceFn; readonly keepDims: boolean; readonly noopWithEmptyAxes: boolean };
  readonly "arg-reduce": {
    readonly fn: "max" | "min";
    readonly axis: number;
    readonly keepDims: boolean;
    readonly selectLast: boolean;
  };
  readonly softmax: { readonly axis: number; readonly log: boolean };
  /** Softmax before opset 13: over all axes from `axis` on, flattened. */
  readonly "softmax-flat": { readonly axis: number; readonly log: boolean };
  /** (x, scale?, bias?) over the axes from `axis` on */
  readonly "layer-norm": { readonly axis: number; readonly epsilon: number };
  /** (x, scale?) over the last axis in groups of `group` channels (0: the whole axis); scale has `group` entries */
  readonly "rms-norm": { readonly axis: number; readonly epsilon: number; readonly group: number };
  readonly "instance-norm": { readonly epsilon: number }; // (x, scale, bias)
  readonly "group-norm": {
    readonly groups: number;
    readonly epsilon: number;
    readonly perGroupAffine: boolean;
  };
  readonly "batch-norm": { readonly epsilon: number }; // (x, scale, bias, mean, variance)
  readonly "lp-norm": { readonly axis: number; readonly p: number };

  // Linear algebra and images.
  readonly matmul: Empty;
  /** (a, b, c?): alpha·op(a)·op(b) + beta·c */
  readonly gemm: {
    readonly alpha: number;
    readonly beta: number;
    readonly transA: boolean;
    readonly transB: boolean;
  };
  readonly einsum: { readonly equation: string };
  /** (x, w, b?) */
  readonly conv: ConvAttrs;
  readonly "conv-transpose": ConvAttrs & {
    readonly outputPadding: readonly number[];
    readonly outputShape: readonly number[] | null;
  };
  readonly pool: {
    readonly fn: "max" | "average";
    readonly kernel: readonly number[];
    readonly strides: readonly number[];
    readonly pads: readonly number[];
    readonly dilations: readonly number[];
    readonly autoPad: AutoPad;
    readonly ceilMode: boolean;
    readonly countIncludePad: boolean;
  };
  readonly "global-pool": { readonly fn: "max" | "average" };
  /** (x, roi?, scales?, sizes?) */
  readonly resize: {
    readonly mode: "nearest" | "linear" | "cubic";
    readonly coordinates: string;
    readonly nearestMode: string;
    readonly cubicA: number;
    readonly excludeOutside: boolean;
    readonly extrapolationValue: number;
    readonly axes: readonly number[] | null;
    readonly keepAspectRatio: string;
  };
  /** (a, b, aZero?, bZero?): exact i32 */
  readonly "matmul-integer": Empty;
  /** (codes, scale, zeroPoint?), when the codes are not constant */
  readonly "dequantize-linear": { readonly axis: number; readonly blockSize: number };

  // Control flow and sequences.
  readonly if: { readonly thenBranch: Graph; readonly elseBranch: Graph }; // (condition); branches read outer values by id
  readonly loop: { readonly body: Graph }; // (tripCount?, condition?, ...carried); the body reads outer values by id
  readonly scan: {
    readonly body: Graph;
    readonly scanInputs: number;
    readonly inputAxes: readonly number[];
    readonly inputReversed: readonly boolean[];
    readonly outputAxes: readonly number[];
    readonly outputReversed: readonly boolean[];
  };
  readonly "sequence-construct": { readonly dtype: DType | null }; // zero or more tensors
  readonly "sequence-insert": Empty; // (sequence, tensor, position?)
  readonly "sequence-at": Empty; // (sequence, position)
  readonly "sequence-length": Empty;
  readonly "concat-from-sequence": { readonly axis: number; readonly newAxis: boolean };
  readonly "split-to-sequence": { readonly axis: number; readonly keepDims: boolean }; // (x, split?)
}

/**
 * What recognition makes of a FLUX transformer: rows of channels, no transposes, no head axes.
 * T: tokens, C: channels, H: heads, D: channels of a head; x[..., T, C] may have leading axes.
 */
export interface ModelOps {
  /** (x[..., in], weight[out, in], bias[out]?) → x·Wᵀ + b, then the epilogue (`fuse-epilogues`):
   *  activation; with a gate: (…, gate[..., 1|–, out], residual) → residual + gate·(x·Wᵀ + b). */
  readonly linear: LinearAttrs;
  /** (x[..., T, C], q, k, …) see `linear`; weight operands are codes i8 [out, in] and scales f32 [out]:
   *  (x, codes, scales, bias?, gate?, residual?). With quantized rows the x operand is three values:
   *  (q i8 [..., T, in], rowScale f32 [..., T], rowSum i32 [..., T], codes, scales, bias?, gate?, residual?). */
  readonly "ternary-linear": LinearAttrs & { readonly quantized: boolean };
  /** (x[..., T, in] or quantized rows, codes, scales, bias?, weights[2·D], cos[T, D/2], sin[T, D/2]): a ternary-linear
   *  whose columns [0, width) go through qk-norm-rope with the first D weights, [width, 2·width) with the others;
   *  the rest stays (`fuse-heads`). */
  readonly "ternary-qkv": {
    readonly role: string | null;
    readonly quantized: boolean;
    readonly headDim: number;
    readonly epsilon: number;
    readonly width: number;
  };
  readonly silu: Empty;
  readonly gelu: { readonly approximate: "tanh" | "none" };
  /** (x[B, T, C], shift[B, C], scale[B, C]) → x·(1 + scale) + shift */
  readonly modulate: Empty;
  /** (residual[B, T, C], gate[B, C], y[B, T, C]) → residual + gate·y */
  readonly "gated-residual": Empty;
  /** (ids[T, axes] or [B, T, axes]) → cos, sin: [T, D/2]; angle = id·frequencies[j], axes side by side. One
   *  frequency per channel pair, D/2 in all; null means theta^(−2j/axisDim), j counting within an axis. */
  readonly "rope-table": RopeFrequencies;
  /** (x[B, T, H·D], cos[T, D/2], sin[T, D/2]): rotates pairs (2j, 2j+1) of each head:
   *  y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin */
  readonly rope: { readonly headDim: number };
  /** (q, k, v: [B, T, H·D]) → [B, T, H·D]: softmax(scale·q·kᵀ)·v per head */
  readonly attention: { readonly heads: number; readonly scale: number };
  /** (t[B]) → [B, dim]: cos and sin of factor·t·frequencies[j], j < dim/2, cos first unless sinFirst; null
   *  frequencies mean exp(−ln(maxPeriod)·j/(dim/2 − shift)). */
  readonly "timestep-embedding": SinusoidFrequencies & { readonly sinFirst: boolean };
  /** (x) → the part of one axis from `start`, `length` long; canonical form of slice, split and chunk */
  readonly part: { readonly axis: number; readonly start: Dim; readonly length: Dim };
  /** (x[B, T, C], shift[B, C], scale[B, C]) → modulate(layerNorm(x)) (`fuse-adaln`) */
  readonly adaln: { readonly epsilon: number };
  /** As adaln, then quantize-rows → (q, rowScale, rowSum) */
  readonly "adaln-quantize": { readonly epsilon: number };
  /** (x[..., T, C]) → q i8 [..., T, C], rowScale f32 [..., T], rowSum i32 [..., T]; see `ir/ternary/quantize.ts` */
  readonly "quantize-rows": Empty;
  /** (x[B, T, H·D], weight[D]?, cos, sin) → rope(rmsNorm(x)) per head */
  readonly "qk-norm-rope": { readonly headDim: number; readonly epsilon: number };
}

export type Empty = Readonly<Record<never, never>>;

export interface LinearAttrs {
  /** `double.3.img.qkv`, `single.7.modulation`, `x_embedder`…; set by `describe-model`. */
  readonly role: string | null;
  readonly activation: Activation;
  /** Whether the last two operands are gate and residual. */
  readonly gated: boolean;
}
export type Activation = "none" | "gelu-tanh" | "gelu-erf" | "silu";

export type OpAttrs = GenericOps & ModelOps;
export type OpName = keyof OpAttrs;

export type UnaryFn =
  | "abs"
  | "acos"
  | "acosh"
  | "asin"
  | "asinh"
  | "atan"
  | "atanh"
  | "bitwise-not"
  | "ceil"
  | "cos"
  | "cosh"
  | "erf"
  | "exp"
  | "floor"
  | "hard-swish"
  | "is-inf"
  | "is-nan"
  | "log"
  | "mish"
  | "neg"
  | "not"
  | "reciprocal"
  | "relu"
  | "round"
  | "sigmoid"
  | "sign"
  | "sin"
  | "sinh"
  | "softplus"
  | "softsign"
  | "sqrt"
  | "tan"
  | "tanh";

/** fmod keeps the dividend's sign, mod the divisor's. Comparisons and logic give bool. */
export type BinaryFn =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "mod"
  | "fmod"
  | "max"
  | "min"
  | "and"
  | "or"
  | "xor"
  | "bit-and"
  | "bit-or"
  | "bit-xor"
  | "shift-left"
  | "shift-right"
  | "equal"
  | "less"
  | "less-equal"
  | "greater"
  | "greater-equal";

export type ReduceFn =
  | "sum"
  | "mean"
  | "max"
  | "min"
  | "prod"
  | "l1"
  | "l2"
  | "log-sum"
  | "log-sum-exp"
  | "sum-square";

export type ScatterReduction = "none" | "add" | "mul" | "max" | "min";
export type AutoPad = "notset" | "same-upper" | "same-lower" | "valid";

export interface ConvAttrs {
  readonly kernel: readonly number[] | null;
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly group: number;
  readonly autoPad: AutoPad;
}

export const COMPARISONS: ReadonlySet<BinaryFn> = new Set([
  "and",
  "or",
  "xor",
  "equal",
  "less",
  "less-equal",
  "greater",
  "greater-equal",
]);

/** Ops that recognition introduces; everything else is generic. */
export const MODEL_OPS: ReadonlySet<OpName> = new Set<keyof ModelOps>([
  "linear",
  "ternary-linear",
  "ternary-qkv",
  "silu",
  "gelu",
  "modulate",
  "gated-residual",
  "rope-table",
  "rope",
  "attention",
  "timestep-embedding",
  "part",
  "adaln",
  "adaln-quantize",
  "quantize-rows",
  "qk-norm-rope",
]);
