import { TritcError } from "../errors.js";
import { TextReader } from "../format/text-reader.js";
import { BINARY_FNS, type BinaryFn, COMPARISONS, UNARY_FNS } from "../ops/elementwise.js";
import { ACTIVATIONS } from "../ops/linears.js";
import type { Param } from "./contract/params.js";

/** Types that kernels compute in. bool is u32 0 or 1. */
export type ElementType = "f32" | "i32" | "u32";

/** Functions of one operand: the generic ones and the activations. */
const ELEMENT_FNS = [...UNARY_FNS.oneOf, ...ACTIVATIONS.oneOf].filter((fn) => fn !== "none");
export type ElementFn = (typeof ELEMENT_FNS)[number];

/**
 * One output element as a function of the input elements at the same index. Operands of a binary function have
 * one type; a comparison gives u32. Parametric activations (leaky-relu, clip, …) are spelled with these.
 */
export type Expression =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "constant"; readonly type: ElementType; readonly value: number }
  | { readonly kind: "unary"; readonly fn: ElementFn; readonly of: Expression }
  | { readonly kind: "binary"; readonly fn: BinaryFn; readonly left: Expression; readonly right: Expression }
  /** condition (u32 or i32) is not 0 ? whenTrue : whenFalse */
  | {
      readonly kind: "where";
      readonly condition: Expression;
      readonly whenTrue: Expression;
      readonly whenFalse: Expression;
    }
  /** Float to integer truncates towards zero and saturates. To bool: `binary not equal 0`, that is not(equal(x, 0)). */
  | { readonly kind: "cast"; readonly to: ElementType; readonly of: Expression };

/** Unary functions whose result is u32 whatever the operand. */
const PREDICATES: ReadonlySet<ElementFn> = new Set<ElementFn>(["not", "is-inf", "is-nan"]);

/** The type of an expression over inputs of these types. Throws a RangeError where types do not fit. */
export function typeOfExpression(e: Expression, inputs: readonly ElementType[]): ElementType {
  switch (e.kind) {
    case "input": {
      const type = inputs[e.index];
      if (type === undefined)
        throw new RangeError(`the expression reads input ${e.index} of ${inputs.length}`);
      return type;
    }
    case "constant":
      return e.type;
    case "cast":
      typeOfExpression(e.of, inputs);
      return e.to;
    case "unary": {
      const type = typeOfExpression(e.of, inputs);
      return PREDICATES.has(e.fn) ? "u32" : type;
    }
    case "binary": {
      const left = typeOfExpression(e.left, inputs);
      const right = typeOfExpression(e.right, inputs);
      if (left !== right) throw new RangeError(`${e.fn} of ${left} and ${right}: ${printExpression(e)}`);
      return COMPARISONS.has(e.fn) ? "u32" : left;
    }
    case "where": {
      const condition = typeOfExpression(e.condition, inputs);
      const whenTrue = typeOfExpression(e.whenTrue, inputs);
      const whenFalse = typeOfExpression(e.whenFalse, inputs);
      if (condition === "f32") throw new RangeError(`a condition of type f32: ${printExpression(e)}`);
      if (whenTrue !== whenFalse)
        throw new RangeError(`where of ${whenTrue} and ${whenFalse}: ${printExpression(e)}`);
      return whenTrue;
    }
  }
}

/** Text for the manifest and for messages: `add(in0, mul(in1, 0.5))`. */
export function printExpression(e: Expression): string {
  switch (e.kind) {
    case "input":
      return `in${e.index}`;
    case "constant":
      return e.type === "f32" ? printNumber(e.value) : `${e.type}(${e.value})`;
    case "cast":
      return `${e.to}(${printExpression(e.of)})`;
    case "unary":
      return `${e.fn}(${printExpression(e.of)})`;
    case "binary":
      return `${e.fn}(${printExpression(e.left)}, ${printExpression(e.right)})`;
    case "where":
      return `where(${printExpression(e.condition)}, ${printExpression(e.whenTrue)}, ${printExpression(e.whenFalse)})`;
  }
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Functions of functions that text may hold. */
const MOST_DEPTH = 200;

/** Reads what `printExpression` writes; a whole number cast to another type is a constant of it. */
export function parseExpression(text: string): Expression {
  const r = new TextReader(text, "expression");
  const e = readExpression(r, 0);
  r.end();
  return e;
}

function readExpression(r: TextReader, depth: number): Expression {
  if (depth > MOST_DEPTH) r.fail(`more than ${MOST_DEPTH} functions of functions`);
  const name = r.match(/[A-Za-z0-9.+-]+/y, "an input, a constant or a function");
  if (!r.accept("(")) {
    if (/^in\d+$/.test(name)) return input(Number(name.slice(2)));
    const value = Number(name);
    return Number.isNaN(value) && name !== "NaN" ? r.fail(`${name} is no constant`) : constant(value);
  }
  const [a, b, c, ...more] = r.list(() => readExpression(r, depth + 1));
  r.expect(")");
  if (a === undefined || more.length > 0) return r.fail(`${name} takes no such operands`);
  if (name === "f32" || name === "i32" || name === "u32") {
    if (b !== undefined) return r.fail(`${name} takes one operand`);
    const whole = name !== "f32" && a.kind === "constant" && Number.isInteger(a.value);
    return whole ? constant(a.value, name) : cast(name, a);
  }
  if (c !== undefined)
    return name === "where" ? where(a, b as Expression, c) : r.fail(`no ${name} takes three operands`);
  if (b === undefined) return unary(known(r, ELEMENT_FNS, name), a);
  return binary(known(r, BINARY_FNS.oneOf, name), a, b);
}

function known<T extends string>(r: TextReader, names: readonly T[], name: string): T {
  return names.find((n) => n === name) ?? r.fail(`there is no function ${name} of as many operands`);
}

/** As a parameter of kernels: its text. */
export const expression: Param<Expression> = {
  expected: "an expression",
  write: printExpression,
  read(value) {
    if (typeof value !== "string") return undefined;
    try {
      return parseExpression(value);
    } catch (error) {
      if (error instanceof TritcError) return undefined;
      throw error;
    }
  },
};

// Constructors.
export const input = (index: number): Expression => ({ kind: "input", index });
export const constant = (value: number, type: ElementType = "f32"): Expression => ({
  kind: "constant",
  type,
  value,
});
export const unary = (fn: ElementFn, of: Expression): Expression => ({ kind: "unary", fn, of });
export const binary = (fn: BinaryFn, left: Expression, right: Expression): Expression => ({
  kind: "binary",
  fn,
  left,
  right,
});
export const where = (condition: Expression, whenTrue: Expression, whenFalse: Expression): Expression => ({
  kind: "where",
  condition,
  whenTrue,
  whenFalse,
});
export const cast = (to: ElementType, of: Expression): Expression => ({ kind: "cast", to, of });
