import { type Activation, type BinaryFn, COMPARISONS, type UnaryFn } from "../ops/index.js";

/** Types that kernels compute in. bool is u32 0 or 1. */
export type ElementType = "f32" | "i32" | "u32";

/** Functions of one operand: the generic ones and the activations. */
export type ElementFn = UnaryFn | Exclude<Activation, "none">;

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
      return e.type === "f32" ? `${e.value}` : `${e.type}(${e.value})`;
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
