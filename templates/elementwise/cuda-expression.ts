import {
  type ElementFn,
  type ElementType,
  type Expression,
  printExpression,
  typeOfExpression,
} from "../../ir/families/expression.js";
import type { BinaryFn } from "../../ir/ops/elementwise.js";

/** An element type in CUDA. */
export const CUDA_ELEMENT: Readonly<Record<ElementType, string>> = {
  f32: "float",
  i32: "int",
  u32: "unsigned",
};

type Apply = (x: string) => string;
const call =
  (name: string): Apply =>
  (x) =>
    `${name}(${x})`;
const truth: Apply = (condition) => `(${condition} ? 1u : 0u)`;

/** Of CUDA itself, `cuda/functions.cuh` and `cuda/activation.cuh`. */
const FLOAT: Readonly<Record<Exclude<ElementFn, "not" | "bitwise-not">, Apply>> = {
  abs: call("fabsf"),
  acos: call("acosf"),
  acosh: call("acoshf"),
  asin: call("asinf"),
  asinh: call("asinhf"),
  atan: call("atanf"),
  atanh: call("atanhf"),
  ceil: call("ceilf"),
  cos: call("cosf"),
  cosh: call("coshf"),
  erf: call("erff"),
  exp: call("expf"),
  floor: call("floorf"),
  "gelu-erf": call("activate_gelu_erf"),
  "gelu-tanh": call("activate_gelu_tanh"),
  "hard-swish": call("hardSwish"),
  "is-inf": (x) => truth(`isInfinite(${x})`),
  "is-nan": (x) => truth(`${x} != ${x}`),
  log: call("logf"),
  mish: call("mish"),
  neg: (x) => `(-${x})`,
  reciprocal: (x) => `(1.0f / ${x})`,
  relu: (x) => `larger(${x}, 0.0f)`,
  round: call("rintf"),
  sigmoid: call("sigmoid"),
  sign: call("signOf"),
  silu: call("activate_silu"),
  sin: call("sinf"),
  sinh: call("sinhf"),
  softplus: call("softplus"),
  softsign: call("softsign"),
  sqrt: call("sqrtf"),
  tan: call("tanf"),
  tanh: call("tanhf"),
};

const SIGNED: Readonly<Partial<Record<ElementFn, Apply>>> = {
  abs: call("magnitude"),
  neg: (x) => `difference(0, ${x})`,
  relu: (x) => `larger(${x}, 0)`,
  sign: call("signOf"),
};
const UNSIGNED: Readonly<Partial<Record<ElementFn, Apply>>> = {
  abs: (x) => x,
  neg: (x) => `(0u - ${x})`,
  relu: (x) => x,
  sign: call("signOf"),
};

/** Integers that rounding leaves as they are. */
const WHOLE: ReadonlySet<ElementFn> = new Set<ElementFn>(["ceil", "floor", "round"]);

const ARITHMETIC: Readonly<Partial<Record<BinaryFn, string>>> = { add: "+", sub: "-", mul: "*" };
/** Signed integers wrap, in unsigned arithmetic. */
const WRAPPING: Readonly<Partial<Record<BinaryFn, string>>> = {
  add: "sum",
  sub: "difference",
  mul: "product",
};
const BITS: Readonly<Partial<Record<BinaryFn, string>>> = { "bit-and": "&", "bit-or": "|", "bit-xor": "^" };
const RELATIONS: Readonly<Partial<Record<BinaryFn, string>>> = {
  equal: "==",
  less: "<",
  "less-equal": "<=",
  greater: ">",
  "greater-equal": ">=",
};
/** Overloaded for the three types. */
const FUNCTIONS: Readonly<Partial<Record<BinaryFn, string>>> = {
  max: "larger",
  min: "smaller",
  mod: "floorMod",
  fmod: "truncatedMod",
  pow: "power",
};

/**
 * The expression as CUDA text over the variables v0, v1, … that hold the inputs' elements, and as statements before it
 * that name what it uses more than once. Throws a RangeError where a type has no such function.
 */
export function cudaExpression(expression: Expression, inputs: readonly ElementType[]): CudaExpression {
  const writer = new Writer(inputs);
  const value = writer.write(expression);
  return { statements: writer.statements, value };
}

export interface CudaExpression {
  readonly statements: readonly string[];
  readonly value: string;
}

class Writer {
  readonly statements: string[] = [];

  constructor(private readonly inputs: readonly ElementType[]) {}

  /** The name of a variable, or a literal: text that may be repeated. */
  write(e: Expression): string {
    switch (e.kind) {
      case "input":
        typeOfExpression(e, this.inputs);
        return `v${e.index}`;
      case "constant":
        return cudaConstant(e.value, e.type);
      case "cast":
        return this.name(e, cast(this.write(e.of), this.type(e.of), e.to));
      case "unary":
        return this.name(e, unary(e.fn, this.type(e.of))(this.write(e.of)));
      case "binary":
        return this.name(e, binary(e.fn, this.type(e.left), this.write(e.left), this.write(e.right)));
      case "where": {
        const [condition, yes, no] = [e.condition, e.whenTrue, e.whenFalse].map((part) => this.write(part));
        return this.name(e, `${condition} != 0 ? ${yes} : ${no}`);
      }
    }
  }

  private type(e: Expression): ElementType {
    return typeOfExpression(e, this.inputs);
  }

  private name(e: Expression, text: string): string {
    const name = `t${this.statements.length}`;
    this.statements.push(`const ${CUDA_ELEMENT[this.type(e)]} ${name} = ${text};  // ${printExpression(e)}`);
    return name;
  }
}

function unary(fn: ElementFn, type: ElementType): Apply {
  if (fn === "not") return (x) => truth(`${x} == 0`);
  if (fn === "bitwise-not") {
    if (type === "f32") throw new RangeError("bitwise-not takes integers");
    return (x) => `~${x}`;
  }
  if (type === "f32") return FLOAT[fn];
  if (WHOLE.has(fn)) return (x) => x;
  if (fn === "is-inf" || fn === "is-nan") return () => "0u";
  const apply = (type === "i32" ? SIGNED : UNSIGNED)[fn];
  if (apply === undefined) throw new RangeError(`${fn} takes f32, not ${type}`);
  return apply;
}

function binary(fn: BinaryFn, type: ElementType, a: string, b: string): string {
  const wrapping = type === "i32" ? WRAPPING[fn] : undefined;
  if (wrapping !== undefined) return `${wrapping}(${a}, ${b})`;
  const operator = ARITHMETIC[fn];
  if (operator !== undefined) return `${a} ${operator} ${b}`;
  const relation = RELATIONS[fn];
  if (relation !== undefined) return truth(`${a} ${relation} ${b}`);
  const named = FUNCTIONS[fn];
  if (named !== undefined) return `${named}(${a}, ${b})`;
  const bits = BITS[fn];
  if (bits !== undefined) {
    if (type === "f32") throw new RangeError(`${fn} takes integers`);
    return `${a} ${bits} ${b}`;
  }
  switch (fn) {
    case "div":
      return type === "f32" ? `${a} / ${b}` : `quotient(${a}, ${b})`;
    case "and":
      return truth(`${a} != 0 && ${b} != 0`);
    case "or":
      return truth(`${a} != 0 || ${b} != 0`);
    case "xor":
      return truth(`(${a} != 0) != (${b} != 0)`);
    case "shift-left":
    case "shift-right": {
      if (type === "f32") throw new RangeError(`${fn} takes integers`);
      const shift = fn === "shift-left" ? "shiftLeft" : "shiftRight";
      return `(${CUDA_ELEMENT[type]})${shift}((unsigned)${a}, (unsigned)${b})`;
    }
    default:
      throw new RangeError(`${fn} has no CUDA`);
  }
}

function cast(x: string, from: ElementType, to: ElementType): string {
  if (from !== "f32" || to === "f32") return `(${CUDA_ELEMENT[to]})${x}`;
  return to === "i32" ? `toInt(${x})` : `toUnsigned(${x})`;
}

/** A literal; f32 infinities and NaN by their bits. */
export function cudaConstant(value: number, type: ElementType): string {
  if (type === "u32") return `${value >>> 0}u`;
  if (type === "i32") return (value | 0) === -(2 ** 31) ? "(-2147483647 - 1)" : `(${value | 0})`;
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return "__uint_as_float(0x7fc00000u)";
  if (!Number.isFinite(rounded)) return `__uint_as_float(${rounded > 0 ? "0x7f800000u" : "0xff800000u"})`;
  const digits = `${Math.abs(rounded)}`;
  const literal = `${/[.e]/.test(digits) ? digits : `${digits}.0`}f`;
  return Object.is(rounded, -0) || rounded < 0 ? `(-${literal})` : literal;
}
