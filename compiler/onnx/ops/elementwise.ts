import type { DType } from "../../../ir/dtype.js";
import { FLOAT_DTYPES, isFloat } from "../../../ir/dtype.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../../ir/ops/elementwise.js";
import { COMPARISONS } from "../../../ir/ops/elementwise.js";
import { swish } from "../expand/swish.js";
import type { Operation, OperatorImporter } from "../operation.js";

const FLOATS = [...FLOAT_DTYPES];

// One operand.

function unary(fn: UnaryFn, floatOnly = true): OperatorImporter {
  return (n) => {
    const x = n.input(0);
    if (floatOnly) n.requireType(x, FLOATS);
    n.result("unary", [x], { fn });
  };
}

export const Abs = unary("abs", false);
export const Acos = unary("acos");
export const Acosh = unary("acosh");
export const Asin = unary("asin");
export const Asinh = unary("asinh");
export const Atan = unary("atan");
export const Atanh = unary("atanh");
export const BitwiseNot = unary("bitwise-not", false);
export const Ceil = unary("ceil");
export const Cos = unary("cos");
export const Cosh = unary("cosh");
export const Erf = unary("erf", false);
export const Exp = unary("exp");
export const Floor = unary("floor");
export const HardSwish = unary("hard-swish");
export const Log = unary("log");
export const Mish = unary("mish");
export const Neg = unary("neg", false);
export const Reciprocal = unary("reciprocal");
export const Relu = unary("relu", false);
export const Round = unary("round");
export const Sigmoid = unary("sigmoid");
export const Sign = unary("sign", false);
export const Sin = unary("sin");
export const Sinh = unary("sinh");
export const Softplus = unary("softplus");
export const Softsign = unary("softsign");
export const Sqrt = unary("sqrt");
export const Tan = unary("tan");
export const Tanh = unary("tanh");

export function Not(n: Operation) {
  const x = n.input(0);
  n.requireType(x, ["bool"]);
  n.result("unary", [x], { fn: "not" });
}

export function IsNaN(n: Operation) {
  n.result("unary", [n.input(0)], { fn: "is-nan" }, "bool");
}

export function IsInf(n: Operation) {
  const x = n.input(0);
  const positive = n.flag("detect_positive", true);
  const negative = n.flag("detect_negative", true);
  if (positive && negative) return n.result("unary", [x], { fn: "is-inf" }, "bool");
  const infinite = n.emit("unary", [x], { fn: "is-inf" }, "bool");
  const zero = n.scalar(0, n.dtype(x));
  // With neither sign asked for, no element is infinite enough: x < 0 and x > 0 never hold together.
  const sign = n.emit("binary", [x, zero], { fn: positive ? "greater" : "less" }, "bool");
  if (positive || negative) return n.result("binary", [infinite, sign], { fn: "and" }, "bool");
  const never = n.emit(
    "unary",
    [n.emit("binary", [sign, sign], { fn: "equal" }, "bool")],
    { fn: "not" },
    "bool",
  );
  n.result("binary", [infinite, never], { fn: "and" }, "bool");
}

// Two operands.

function binary(fn: BinaryFn, types: readonly DType[] | null = null): OperatorImporter {
  return (n) => {
    const a = n.input(0);
    const b = n.input(1);
    n.sameType(a, b);
    if (types !== null) n.requireType(a, types);
    n.result("binary", [a, b], { fn }, COMPARISONS.has(fn) ? "bool" : n.dtype(a));
  };
}

export const Add = binary("add");
export const Sub = binary("sub");
export const Mul = binary("mul");
export const Div = binary("div");
export const And = binary("and", ["bool"]);
export const Or = binary("or", ["bool"]);
export const Xor = binary("xor", ["bool"]);
export const BitwiseAnd = binary("bit-and");
export const BitwiseOr = binary("bit-or");
export const BitwiseXor = binary("bit-xor");
export const Equal = binary("equal");
export const Less = binary("less");
export const LessOrEqual = binary("less-equal");
export const Greater = binary("greater");
export const GreaterOrEqual = binary("greater-equal");

export function Pow(n: Operation) {
  const x = n.input(0);
  const exponent = n.input(1);
  const to = n.dtype(x);
  if (isFloat(to)) return n.result("binary", [x, n.cast(exponent, to)], { fn: "pow" });
  // An integer raised to a float is computed in floats: the exponent must not be truncated.
  const wide = n.dtype(exponent);
  if (!isFloat(wide)) return n.result("binary", [x, n.cast(exponent, to)], { fn: "pow" });
  const power = n.emit("binary", [n.cast(x, wide), exponent], { fn: "pow" }, wide);
  n.result("cast", [power], { to }, to);
}

export function Mod(n: Operation) {
  const a = n.input(0);
  const b = n.input(1);
  n.sameType(a, b);
  n.result("binary", [a, b], { fn: n.flag("fmod", false) ? "fmod" : "mod" });
}

export function BitShift(n: Operation) {
  const a = n.input(0);
  const b = n.input(1);
  n.sameType(a, b);
  const left = n.word("direction", ["LEFT", "RIGHT"]) === "LEFT";
  n.result("binary", [a, b], { fn: left ? "shift-left" : "shift-right" });
}

export function PRelu(n: Operation) {
  const x = n.input(0);
  const slope = n.input(1);
  n.sameType(x, slope);
  n.result("prelu", [x, slope], {});
}

// Any number of operands.

function variadic(fn: BinaryFn, mean = false): OperatorImporter {
  return (n) => {
    const operands = n.rest(0, 1);
    n.sameType(...operands);
    const [first, ...others] = operands;
    const last = others.pop();
    if (first === undefined) return;
    if (last === undefined) return n.forward(0, first);
    let sum = first;
    for (const operand of others) sum = n.emit("binary", [sum, operand], { fn });
    if (!mean) return n.result("binary", [sum, last], { fn });
    sum = n.emit("binary", [sum, last], { fn });
    n.result("binary", [sum, n.scalar(operands.length, n.dtype(first))], { fn: "div" });
  };
}

export const Sum = variadic("add");
export const Mean = variadic("add", true);
export const Max = variadic("max");
export const Min = variadic("min");

// Selection and conversion.

export function Where(n: Operation) {
  const condition = n.input(0);
  const then = n.input(1);
  const otherwise = n.input(2);
  n.requireType(condition, ["bool"]);
  n.sameType(then, otherwise);
  n.result("where", [condition, then, otherwise], {}, n.dtype(then));
}

export function Cast(n: Operation) {
  n.ignore("saturate", "round_mode");
  const to = n.dtypeAttribute("to");
  if (to === null) n.fail(`the attribute "to" is missing`, "an element type", "none");
  n.result("cast", [n.input(0)], { to }, to);
}

export function CastLike(n: Operation) {
  n.ignore("saturate", "round_mode");
  const to = n.dtype(n.input(1));
  n.result("cast", [n.input(0)], { to }, to);
}

export function Identity(n: Operation) {
  n.forward(0, n.input(0));
}

/** Inference only: passes its operand on. */
export function Dropout(n: Operation) {
  n.ignore("seed", "ratio");
  const x = n.input(0);
  n.optional(1);
  const training = n.optional(2);
  if (training !== null && !isFalse(n, training)) n.refuse("Dropout in training mode is not supported");
  n.forward(0, x);
  if (!n.wants(1)) return;
  const shape = n.emit("shape", [x], { start: 0, end: null }, "i64");
  n.forward(1, n.emit("constant-of-shape", [shape], { value: 1, dtype: "bool" }, "bool"));
}

function isFalse(n: Operation, id: ValueId): boolean {
  const source = n.constantOf(id)?.source;
  return source?.kind === "inline"
    ? source.bytes.every((b) => b === 0)
    : source?.kind === "fill" && source.value === 0;
}

/** min(max(x, low), high), the bounds being attributes until opset 11. */
export function Clip(n: Operation) {
  const x = n.input(0);
  const attribute = (name: string) => (n.has(name) ? n.scalar(n.float(name), n.dtype(x)) : null);
  const low = n.opset < 11 ? attribute("min") : n.optional(1);
  const high = n.opset < 11 ? attribute("max") : n.optional(2);
  n.sameType(x, low, high);
  if (low === null && high === null) return n.forward(0, x);
  if (high === null) return n.result("binary", [x, low], { fn: "max" });
  const above = low === null ? x : n.emit("binary", [x, low], { fn: "max" });
  n.result("binary", [above, high], { fn: "min" });
}

// Activations with parameters.

export function LeakyRelu(n: Operation) {
  n.result("leaky-relu", [n.input(0)], { alpha: n.float("alpha", 0.01) });
}

export function Elu(n: Operation) {
  n.result("elu", [n.input(0)], { alpha: n.float("alpha", 1) });
}

export function Celu(n: Operation) {
  n.result("celu", [n.input(0)], { alpha: n.float("alpha", 1) });
}

export function Selu(n: Operation) {
  const alpha = n.float("alpha", 1.6732632423543772);
  n.result("selu", [n.input(0)], { alpha, gamma: n.float("gamma", 1.0507009873554805) });
}

export function HardSigmoid(n: Operation) {
  n.result("hard-sigmoid", [n.input(0)], { alpha: n.float("alpha", 0.2), beta: n.float("beta", 0.5) });
}

export function ThresholdedRelu(n: Operation) {
  n.result("thresholded-relu", [n.input(0)], { alpha: n.float("alpha", 1) });
}

export function Shrink(n: Operation) {
  n.result("shrink", [n.input(0)], { bias: n.float("bias", 0), lambd: n.float("lambd", 0.5) });
}

export function Gelu(n: Operation) {
  n.result("gelu", [n.input(0)], { approximate: n.word("approximate", ["none", "tanh"], "none") });
}

/** x · sigmoid(alpha · x) */
export function Swish(n: Operation) {
  swish(n, n.input(0), n.float("alpha", 1));
}
