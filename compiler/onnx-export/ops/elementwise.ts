import { isFloat } from "../../../ir/dtype.js";
import type { BinaryFn, UnaryFn } from "../../../ir/ops/elementwise.js";
import { gelu, silu } from "../activations.js";
import { ONNX_TYPE } from "../format.js";
import type { Section } from "../operands.js";
import type { Attributes } from "../writer.js";

const UNARY: Readonly<Record<UnaryFn, string>> = {
  abs: "Abs",
  acos: "Acos",
  acosh: "Acosh",
  asin: "Asin",
  asinh: "Asinh",
  atan: "Atan",
  atanh: "Atanh",
  "bitwise-not": "BitwiseNot",
  ceil: "Ceil",
  cos: "Cos",
  cosh: "Cosh",
  erf: "Erf",
  exp: "Exp",
  floor: "Floor",
  "hard-swish": "HardSwish",
  "is-inf": "IsInf",
  "is-nan": "IsNaN",
  log: "Log",
  mish: "Mish",
  neg: "Neg",
  not: "Not",
  reciprocal: "Reciprocal",
  relu: "Relu",
  round: "Round",
  sigmoid: "Sigmoid",
  sign: "Sign",
  sin: "Sin",
  sinh: "Sinh",
  softplus: "Softplus",
  softsign: "Softsign",
  sqrt: "Sqrt",
  tan: "Tan",
  tanh: "Tanh",
};

const BINARY: Readonly<Record<BinaryFn, readonly [type: string, attributes?: Attributes]>> = {
  add: ["Add"],
  sub: ["Sub"],
  mul: ["Mul"],
  div: ["Div"],
  pow: ["Pow"],
  mod: ["Mod", { fmod: { int: 0 } }],
  fmod: ["Mod", { fmod: { int: 1 } }],
  max: ["Max"],
  min: ["Min"],
  and: ["And"],
  or: ["Or"],
  xor: ["Xor"],
  "bit-and": ["BitwiseAnd"],
  "bit-or": ["BitwiseOr"],
  "bit-xor": ["BitwiseXor"],
  "shift-left": ["BitShift", { direction: { string: "LEFT" } }],
  "shift-right": ["BitShift", { direction: { string: "RIGHT" } }],
  equal: ["Equal"],
  less: ["Less"],
  "less-equal": ["LessOrEqual"],
  greater: ["Greater"],
  "greater-equal": ["GreaterOrEqual"],
};

/** One element of the result from one of each operand. */
export const elementwise: Section<"elementwise"> = {
  unary: (n, { fn }) => n.op(UNARY[fn], [n.input(0)]),
  binary: (n, { fn }) => {
    const [a, b] = [n.input(0), n.input(1)];
    if (fn === "mod" && isFloat(n.dtype(0))) {
      // Mod of floats is fmod only: a − ⌊a/b⌋·b has the sign of b.
      const times = n.op("Floor", [n.op("Div", [a, b])]);
      return n.op("Sub", [a, n.op("Mul", [times, b])]);
    }
    const [type, attributes] = BINARY[fn];
    return n.op(type, [a, b], attributes);
  },
  where: (n) => n.op("Where", n.rest()),
  cast: (n, { to }) => n.op("Cast", [n.input(0)], { to: { int: ONNX_TYPE[to] } }),
  "leaky-relu": (n, { alpha }) => n.op("LeakyRelu", [n.input(0)], { alpha: { float: alpha } }),
  elu: (n, { alpha }) => n.op("Elu", [n.input(0)], { alpha: { float: alpha } }),
  celu: (n, { alpha }) => n.op("Celu", [n.input(0)], { alpha: { float: alpha } }),
  selu: (n, { alpha, gamma }) =>
    n.op("Selu", [n.input(0)], { alpha: { float: alpha }, gamma: { float: gamma } }),
  "hard-sigmoid": (n, { alpha, beta }) =>
    n.op("HardSigmoid", [n.input(0)], { alpha: { float: alpha }, beta: { float: beta } }),
  "thresholded-relu": (n, { alpha }) => n.op("ThresholdedRelu", [n.input(0)], { alpha: { float: alpha } }),
  shrink: (n, { bias, lambd }) =>
    n.op("Shrink", [n.input(0)], { bias: { float: bias }, lambd: { float: lambd } }),
  prelu: (n) => n.op("PRelu", n.rest()),
  silu: (n) => silu(n, n.input(0)),
  swiglu: (n) => n.op("Mul", [silu(n, n.input(0)), n.input(1)]),
  gelu: (n, { approximate }) => gelu(n, n.input(0), approximate),
};
