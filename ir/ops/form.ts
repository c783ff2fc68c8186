import { DTYPES } from "../dtype.js";
import type { OpName } from "./index.js";

/** What an attribute may hold. */
export type AttrKind =
  | "number"
  | "bool"
  | "string"
  | "dtype"
  | "dim"
  | "numbers"
  | "bools"
  | "graph"
  | AttrEnum
  | Nullable;
export interface AttrEnum {
  readonly oneOf: readonly string[];
}
export interface Nullable {
  readonly orNull: AttrKind;
}

/** The form of an operation: how many operands and results, and which attributes. */
export interface OpSchema {
  /** Fewest and most operands. */
  readonly operands: readonly [number, number];
  /** Fewest and most results. */
  readonly results: readonly [number, number];
  readonly attrs: Readonly<Record<string, AttrKind>>;
}

const MANY = Number.POSITIVE_INFINITY;

function op(
  operands: readonly [number, number] | number,
  attrs: Readonly<Record<string, AttrKind>> = {},
  results: readonly [number, number] | number = 1,
): OpSchema {
  const pair = (n: readonly [number, number] | number): readonly [number, number] =>
    typeof n === "number" ? [n, n] : n;
  return { operands: pair(operands), results: pair(results), attrs };
}

const axis = { axis: "number" } as const;
const epsilon = { epsilon: "number" } as const;
const oneOf = (...names: readonly string[]): AttrEnum => ({ oneOf: names });
const orNull = (kind: AttrKind): Nullable => ({ orNull: kind });
const reduction = { reduction: oneOf("none", "add", "mul", "max", "min") } as const;
const autoPad = oneOf("notset", "same-upper", "same-lower", "valid");
const conv = {
  kernel: orNull("numbers"),
  strides: "numbers",
  pads: "numbers",
  dilations: "numbers",
  group: "number",
  autoPad,
} as const;
const linear = {
  role: orNull("string"),
  activation: oneOf("none", "gelu-tanh", "gelu-erf", "silu"),
  gated: "bool",
} as const;

/** Attribute and operand forms of every op, for the verifier and the parser; the types are in `ops.ts`. */
export const OP_SCHEMAS: Readonly<Record<OpName, OpSchema>> = {
  unary: op(1, { fn: "string" }),
  binary: op(2, { fn: "string" }),
  where: op(3),
  cast: op(1, { to: "dtype" }),
  "leaky-relu": op(1, { alpha: "number" }),
  elu: op(1, { alpha: "number" }),
  celu: op(1, { alpha: "number" }),
  selu: op(1, { alpha: "number", gamma: "number" }),
  "hard-sigmoid": op(1, { alpha: "number", beta: "number" }),
  "thresholded-relu": op(1, { alpha: "number" }),
  shrink: op(1, { bias: "number", lambd: "number" }),
  prelu: op(2),

  shape: op(1, { start: "number", end: orNull("number") }),
  size: op(1),
  reshape: op(2, { allowZero: "bool" }),
  expand: op(2),
  squeeze: op([1, 2]),
  unsqueeze: op(2),
  flatten: op(1, axis),
  transpose: op(1, { perm: orNull("numbers") }),
  concat: op([1, MANY], axis),
  split: op([1, 2], axis, [1, MANY]),
  slice: op([3, 5]),
  gather: op(2, axis),
  "gather-elements": op(2, axis),
  "gather-nd": op(2, { batchDims: "number" }),
  "scatter-elements": op(3, { axis: "number", ...reduction }),
  "scatter-nd": op(3, reduction),
  tile: op(2),
  pad: op([2, 4], { mode: oneOf("constant", "reflect", "edge", "wrap") }),
  "constant-of-shape": op(1, { value: "number", dtype: "dtype" }),
  range: op(3),
  nonzero: op(1),
  "one-hot": op(3, axis),
  trilu: op([1, 2], { upper: "bool" }),
  "eye-like": op(1, { k: "number", dtype: orNull("dtype") }),
  cumsum: op(2, { exclusive: "bool", reverse: "bool" }),
  "depth-to-space": op(1, { blockSize: "number", mode: oneOf("DCR", "CRD") }),
  "space-to-depth": op(1, { blockSize: "number" }),
  topk: op(2, { axis: "number", largest: "bool", sorted: "bool" }, 2),
  compress: op(2, { axis: orNull("number") }),

  reduce: op([1, 2], {
    fn: oneOf("sum", "mean", "max", "min", "prod", "l1", "l2", "log-sum", "log-sum-exp", "sum-square"),
    keepDims: "bool",
    noopWithEmptyAxes: "bool",
  }),
  "arg-reduce": op(1, { fn: oneOf("max", "min"), axis: "number", keepDims: "bool", selectLast: "bool" }),
  softmax: op(1, { axis: "number", log: "bool" }),
  "softmax-flat": op(1, { axis: "number", log: "bool" }),
  "layer-norm": op([1, 3], { axis: "number", ...epsilon }),
  "rms-norm": op([1, 2], { axis: "number", ...epsilon, group: "number" }),
  "instance-norm": op(3, epsilon),
  "group-norm": op(3, { groups: "number", ...epsilon, perGroupAffine: "bool" }),
  "batch-norm": op(5, epsilon),
  "lp-norm": op(1, { axis: "number", p: "number" }),

  matmul: op(2),
  gemm: op([2, 3], { alpha: "number", beta: "number", transA: "bool", transB: "bool" }),
  einsum: op([1, MANY], { equation: "string" }),
  conv: op([2, 3], conv),
  "conv-transpose": op([2, 3], { ...conv, outputPadding: "numbers", outputShape: orNull("numbers") }),
  pool: op(1, {
    fn: oneOf("max", "average"),
    kernel: "numbers",
    strides: "numbers",
    pads: "numbers",
    dilations: "numbers",
    autoPad,
    ceilMode: "bool",
    countIncludePad: "bool",
  }),
  "global-pool": op(1, { fn: oneOf("max", "average") }),
  resize: op([1, 4], {
    mode: oneOf("nearest", "linear", "cubic"),
    coordinates: "string",
    nearestMode: "string",
    cubicA: "number",
    excludeOutside: "bool",
    extrapolationValue: "number",
    axes: orNull("numbers"),
    keepAspectRatio: "string",
  }),
  "matmul-integer": op([2, 4]),
  "dequantize-linear": op([2, 3], { axis: "number", blockSize: "number" }),

  if: op(1, { thenBranch: "graph", elseBranch: "graph" }, [1, MANY]),
  loop: op([2, MANY], { body: "graph" }, [1, MANY]),
  scan: op(
    [1, MANY],
    {
      body: "graph",
      scanInputs: "number",
      inputAxes: "numbers",
      inputReversed: "bools",
      outputAxes: "numbers",
      outputReversed: "bools",
    },
    [1, MANY],
  ),
  "sequence-construct": op([0, MANY], { dtype: orNull("dtype") }),
  "sequence-insert": op([2, 3]),
  "sequence-at": op(2),
  "sequence-length": op(1),
  "concat-from-sequence": op(1, { axis: "number", newAxis: "bool" }),
  "split-to-sequence": op([1, 2], { axis: "number", keepDims: "bool" }),

  linear: op([2, 5], linear),
  "ternary-linear": op([3, 8], { ...linear, quantized: "bool" }),
  "ternary-qkv": op([7, 9], {
    role: orNull("string"),
    quantized: "bool",
    headDim: "number",
    ...epsilon,
    width: "number",
  }),
  silu: op(1),
  gelu: op(1, { approximate: oneOf("tanh", "none") }),
  modulate: op(3),
  "gated-residual": op(3),
  "rope-table": op(1, { axesDims: "numbers", theta: "number", frequencies: orNull("numbers") }, 2),
  rope: op(3, { headDim: "number" }),
  attention: op(3, { heads: "number", scale: "number" }),
  "timestep-embedding": op(1, {
    dim: "number",
    factor: "number",
    maxPeriod: "number",
    shift: "number",
    sinFirst: "bool",
    frequencies: orNull("numbers"),
  }),
  part: op(1, { axis: "number", start: "dim", length: "dim" }),
  adaln: op(3, epsilon),
  "adaln-quantize": op(3, epsilon, 3),
  "quantize-rows": op(1, {}, 3),
  "qk-norm-rope": op(4, { headDim: "number", ...epsilon }),
};

/** Whether the IR has an operation of this name. */
export function isOpName(name: string): name is OpName {
  return Object.hasOwn(OP_SCHEMAS, name);
}

/** What is wrong with an attribute value, or undefined. */
export function attrProblem(kind: AttrKind, value: unknown): string | undefined {
  if (typeof kind === "object") {
    if ("orNull" in kind) return value === null ? undefined : attrProblem(kind.orNull, value);
    return typeof value === "string" && kind.oneOf.includes(value)
      ? undefined
      : `one of ${kind.oneOf.join(", ")}`;
  }
  const ok = {
    number: typeof value === "number",
    bool: typeof value === "boolean",
    string: typeof value === "string",
    dtype: DTYPES.some((d) => d === value),
    dim: typeof value === "number" || typeof value === "string",
    numbers: Array.isArray(value) && value.every((v) => typeof v === "number"),
    bools: Array.isArray(value) && value.every((v) => typeof v === "boolean"),
    graph: typeof value === "object" && value !== null && "nodes" in value,
  }[kind];
  return ok ? undefined : `a ${kind}`;
}
