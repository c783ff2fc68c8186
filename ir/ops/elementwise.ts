import { oneOf, op } from "./definition.js";
import { sameAsFirst, tensor } from "./results.js";
import { PLAIN, POINTWISE, type StepRows } from "./traits.js";

export const UNARY_FNS = oneOf(
  "abs",
  "acos",
  "acosh",
  "asin",
  "asinh",
  "atan",
  "atanh",
  "bitwise-not",
  "ceil",
  "cos",
  "cosh",
  "erf",
  "exp",
  "floor",
  "hard-swish",
  "is-inf",
  "is-nan",
  "log",
  "mish",
  "neg",
  "not",
  "reciprocal",
  "relu",
  "round",
  "sigmoid",
  "sign",
  "sin",
  "sinh",
  "softplus",
  "softsign",
  "sqrt",
  "tan",
  "tanh",
);
export type UnaryFn = (typeof UNARY_FNS.oneOf)[number];

/** fmod keeps the dividend's sign, mod the divisor's. Comparisons and logic give bool. */
export const BINARY_FNS = oneOf(
  "add",
  "sub",
  "mul",
  "div",
  "pow",
  "mod",
  "fmod",
  "max",
  "min",
  "and",
  "or",
  "xor",
  "bit-and",
  "bit-or",
  "bit-xor",
  "shift-left",
  "shift-right",
  "equal",
  "less",
  "less-equal",
  "greater",
  "greater-equal",
);
export type BinaryFn = (typeof BINARY_FNS.oneOf)[number];

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

const TO_BOOL: ReadonlySet<UnaryFn> = new Set(["is-inf", "is-nan", "not"]);

/** Operands without rows of steps may repeat along the leading axis but must not have another meaning there. */
const aligned = (_: unknown, { rank, ranks }: StepRows): boolean => ranks.every((r) => r === rank);

/** What FLUX transformers have; its kernels take and give bf16. */
const ACTIVATION = {
  ...POINTWISE,
  recognized: () => true,
  narrow: { reads: [0], stores: () => true, alike: false },
} as const;

/** One element of the result from one of each operand, with ONNX (NumPy) broadcasting. */
export const elementwise = {
  unary: op({
    operands: 1,
    attrs: { fn: UNARY_FNS },
    infer: (o, { fn }) => tensor(TO_BOOL.has(fn) ? "bool" : o.dtype(0), o.shape(0)),
    traits: POINTWISE,
  }),
  binary: op({
    operands: 2,
    attrs: { fn: BINARY_FNS },
    infer: (o, { fn }) =>
      tensor(COMPARISONS.has(fn) ? "bool" : o.dtype(0), o.broadcast(o.shape(0), o.shape(1))),
    // Sums of embeddings stay sums.
    traits: { ...POINTWISE, perStep: aligned, recognized: ({ fn }) => fn === "add" },
  }),
  /** (condition, then, else) */
  where: op({
    operands: 3,
    attrs: {},
    infer: (o) => tensor(o.dtype(1), o.broadcast(o.shape(0), o.shape(1), o.shape(2))),
    traits: { ...PLAIN, moves: [1, 2], perStep: aligned },
  }),
  cast: op({
    operands: 1,
    attrs: { to: "dtype" },
    infer: (o, { to }) => tensor(to, o.shape(0)),
    traits: POINTWISE,
  }),
  // Alpha is the slope, cap, exponent scale etc. that the ONNX operator of the same name takes.
  "leaky-relu": op({ operands: 1, attrs: { alpha: "number" }, infer: sameAsFirst, traits: POINTWISE }),
  elu: op({ operands: 1, attrs: { alpha: "number" }, infer: sameAsFirst, traits: POINTWISE }),
  celu: op({ operands: 1, attrs: { alpha: "number" }, infer: sameAsFirst, traits: POINTWISE }),
  selu: op({
    operands: 1,
    attrs: { alpha: "number", gamma: "number" },
    infer: sameAsFirst,
    traits: POINTWISE,
  }),
  "hard-sigmoid": op({
    operands: 1,
    attrs: { alpha: "number", beta: "number" },
    infer: sameAsFirst,
    traits: POINTWISE,
  }),
  "thresholded-relu": op({ operands: 1, attrs: { alpha: "number" }, infer: sameAsFirst, traits: POINTWISE }),
  shrink: op({
    operands: 1,
    attrs: { bias: "number", lambd: "number" },
    infer: sameAsFirst,
    traits: POINTWISE,
  }),
  /** (x, slope) */
  prelu: op({ operands: 2, attrs: {}, infer: sameAsFirst, traits: PLAIN }),
  silu: op({ operands: 1, attrs: {}, infer: sameAsFirst, traits: ACTIVATION }),
  /** (gate, value) → silu(gate)·value (`fuse-swiglu`) */
  swiglu: op({
    operands: 2,
    attrs: {},
    infer: sameAsFirst,
    traits: { ...ACTIVATION, narrow: { reads: "all", stores: () => true, alike: false } },
  }),
  gelu: op({
    operands: 1,
    attrs: { approximate: oneOf("tanh", "none") },
    infer: sameAsFirst,
    traits: ACTIVATION,
  }),
};
