import type { ElementFn, ElementType } from "../../ir/families/expression.js";
import type { BinaryFn } from "../../ir/ops/elementwise.js";
import { activationFunction, ERF } from "../wgsl/functions.js";

/** A function as a WGSL expression of its operand, and the declarations that it calls, by name. */
export interface WgslFunction {
  readonly apply: (x: string) => string;
  readonly needs?: readonly Library[];
}

export type Library = "erf" | "cosSin" | "gelu" | "softplus" | "tanh" | "powFloat" | "powInt" | "special";

/** Files below `templates/` are named; other libraries are WGSL text. */
export const LIBRARY: Readonly<Record<Exclude<Library, "cosSin">, string>> = {
  erf: ERF,
  gelu: activationFunction("gelu-tanh").replace("fn activate", "fn geluTanh"),
  softplus: "fn softplus(x: f32) -> f32 { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }",
  tanh: "fn boundedTanh(x: f32) -> f32 { return tanh(clamp(x, -20.0, 20.0)); }",
  special: [
    "// Built from run-time bits: as constants they do not compile.",
    "fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | (words[0].x & 0u)); }",
    "fn notANumber() -> f32 { return bitcast<f32>(0x7fc00000u | (words[0].x & 0u)); }",
  ].join("\n"),
  powFloat: [
    "fn powFloat(a: f32, b: f32) -> f32 {",
    "  if (b == 0.0 || a == 1.0) { return 1.0; }",
    "  let magnitude = pow(abs(a), b);",
    "  if (a >= 0.0) { return magnitude; }",
    "  if (b != trunc(b)) { return notANumber(); }",
    "  return select(magnitude, -magnitude, abs(b) % 2.0 == 1.0);",
    "}",
  ].join("\n"),
  powInt: [
    "fn powInt(a: i32, b: i32) -> i32 {",
    "  if (b < 0) { return select(select(0, select(1, -1, (b & 1) == 1), a == -1), 1, a == 1); }",
    "  var base = a;",
    "  var result = 1i;",
    "  for (var e = b; e > 0; e >>= 1u) {",
    "    if ((e & 1) == 1) { result *= base; }",
    "    base *= base;",
    "  }",
    "  return result;",
    "}",
  ].join("\n"),
};

const call =
  (name: string) =>
  (x: string): string =>
    `${name}(${x})`;

const FLOAT: Readonly<Record<Exclude<ElementFn, "not" | "bitwise-not">, WgslFunction>> = {
  abs: { apply: call("abs") },
  acos: { apply: call("acos") },
  acosh: { apply: call("acosh") },
  asin: { apply: call("asin") },
  asinh: { apply: call("asinh") },
  atan: { apply: call("atan") },
  atanh: { apply: call("atanh") },
  ceil: { apply: call("ceil") },
  cos: { apply: (x) => `cosSin(${x}).x`, needs: ["cosSin"] },
  cosh: { apply: call("cosh") },
  erf: { apply: call("erf"), needs: ["erf"] },
  exp: { apply: call("exp") },
  floor: { apply: call("floor") },
  "gelu-erf": { apply: (x) => `(0.5 * ${x} * (1.0 + erf(${x} * 0.7071067812)))`, needs: ["erf"] },
  "gelu-tanh": { apply: call("geluTanh"), needs: ["gelu"] },
  "hard-swish": { apply: (x) => `(${x} * clamp(${x} / 6.0 + 0.5, 0.0, 1.0))` },
  "is-inf": { apply: (x) => `select(0u, 1u, (bitcast<u32>(${x}) & 0x7fffffffu) == 0x7f800000u)` },
  "is-nan": { apply: (x) => `select(0u, 1u, (bitcast<u32>(${x}) & 0x7fffffffu) > 0x7f800000u)` },
  log: { apply: call("log") },
  mish: { apply: (x) => `(${x} * boundedTanh(softplus(${x})))`, needs: ["softplus", "tanh"] },
  neg: { apply: (x) => `(-(${x}))` },
  reciprocal: { apply: (x) => `(1.0 / ${x})` },
  relu: { apply: (x) => `max(${x}, 0.0)` },
  round: { apply: call("round") },
  sigmoid: { apply: (x) => `(1.0 / (1.0 + exp(min(-(${x}), 80.0))))` },
  sign: { apply: call("sign") },
  silu: { apply: (x) => `(${x} / (1.0 + exp(min(-(${x}), 80.0))))` },
  sin: { apply: (x) => `cosSin(${x}).y`, needs: ["cosSin"] },
  sinh: { apply: call("sinh") },
  softplus: { apply: call("softplus"), needs: ["softplus"] },
  softsign: { apply: (x) => `(${x} / (1.0 + abs(${x})))` },
  sqrt: { apply: call("sqrt") },
  tan: { apply: (x) => `(cosSin(${x}).y / cosSin(${x}).x)`, needs: ["cosSin"] },
  tanh: { apply: call("boundedTanh"), needs: ["tanh"] },
};

const SIGNED: ReadonlyMap<ElementFn, (x: string) => string> = new Map([
  ["abs", call("abs")],
  ["neg", (x: string) => `(-(${x}))`],
  ["relu", (x: string) => `max(${x}, 0i)`],
  ["sign", call("sign")],
]);

/** Integers that rounding leaves as they are. */
const WHOLE: ReadonlySet<ElementFn> = new Set<ElementFn>(["ceil", "floor", "round"]);

/** A unary function of an operand of this type. Throws a RangeError where integers have none. */
export function unaryWgsl(fn: ElementFn, type: ElementType): WgslFunction {
  if (fn === "not") return { apply: (x) => `select(0u, 1u, ${x} == ${type}(0))` };
  if (fn === "bitwise-not") {
    if (type === "f32") throw new RangeError("bitwise-not takes integers");
    return { apply: (x) => `(~(${x}))` };
  }
  if (type === "f32") return FLOAT[fn];
  if (WHOLE.has(fn)) return { apply: (x) => x };
  const signed = SIGNED.get(fn);
  if (signed === undefined) throw new RangeError(`${fn} takes f32, not ${type}`);
  if (type === "i32") return { apply: signed };
  if (fn === "neg") return { apply: (x) => `(0u - ${x})` };
  return { apply: fn === "sign" ? (x) => `min(${x}, 1u)` : (x) => x };
}

const OPERATORS: ReadonlyMap<BinaryFn, string> = new Map([
  ["add", "+"],
  ["sub", "-"],
  ["mul", "*"],
  ["div", "/"],
  ["fmod", "%"],
  ["bit-and", "&"],
  ["bit-or", "|"],
  ["bit-xor", "^"],
]);
const RELATIONS: ReadonlyMap<BinaryFn, string> = new Map([
  ["equal", "=="],
  ["less", "<"],
  ["less-equal", "<="],
  ["greater", ">"],
  ["greater-equal", ">="],
]);

/** A binary function of two operands of one type: a WGSL expression and what it calls. */
export function binaryWgsl(
  fn: BinaryFn,
  type: ElementType,
  a: string,
  b: string,
): { readonly text: string; readonly needs: readonly Library[] } {
  const plain = (text: string) => ({ text, needs: [] });
  const operator = OPERATORS.get(fn);
  if (operator !== undefined) return plain(`(${a} ${operator} ${b})`);
  const relation = RELATIONS.get(fn);
  if (relation !== undefined) return plain(`select(0u, 1u, ${a} ${relation} ${b})`);
  const zero = `${type}(0)`;
  switch (fn) {
    case "max":
    case "min":
      return plain(`${fn}(${a}, ${b})`);
    case "and":
      return plain(`select(0u, 1u, ${a} != ${zero} && ${b} != ${zero})`);
    case "or":
      return plain(`select(0u, 1u, ${a} != ${zero} || ${b} != ${zero})`);
    case "xor":
      return plain(`select(0u, 1u, (${a} != ${zero}) != (${b} != ${zero}))`);
    case "mod":
      // The sign of the divisor.
      return plain(
        type === "u32"
          ? `(${a} % ${b})`
          : `select(${a} % ${b} + ${b}, ${a} % ${b}, ${a} % ${b} == ${zero} || (${a} % ${b} < ${zero}) == (${b} < ${zero}))`,
      );
    case "shift-left":
      return plain(`select(${a} << (u32(${b}) & 31u), ${zero}, u32(${b}) >= 32u)`);
    case "shift-right":
      return plain(`select(${type}(u32(${a}) >> (u32(${b}) & 31u)), ${zero}, u32(${b}) >= 32u)`);
    case "pow":
      if (type === "f32") return { text: `powFloat(${a}, ${b})`, needs: ["special", "powFloat"] };
      return { text: `${type}(powInt(i32(${a}), i32(${b})))`, needs: ["powInt"] };
    default:
      throw new RangeError(`${fn} has no WGSL`);
  }
}
