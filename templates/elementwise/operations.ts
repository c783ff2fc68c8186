import type { ElementFn, Expression } from "../../ir/families/expression.js";

/** Functions of one operand that take about one instruction of a vector. */
const CHEAP: ReadonlySet<ElementFn> = new Set<ElementFn>([
  ...["abs", "neg", "sign", "ceil", "floor", "round", "relu", "hard-swish"],
  ...["not", "bitwise-not", "is-inf", "is-nan"],
] as const);

/** What an element of an expression takes. */
export interface ElementWork {
  /** Functions and operators that are about one instruction each. */
  readonly operations: number;
  /** Those that are a polynomial, a root or a quotient. */
  readonly special: number;
}

/** Functions and operators of an expression. */
export function elementWork(e: Expression): ElementWork {
  switch (e.kind) {
    case "input":
    case "constant":
      return { operations: 0, special: 0 };
    case "cast":
      return sum({ operations: 1, special: 0 }, elementWork(e.of));
    case "unary":
      return sum(CHEAP.has(e.fn) ? ONE : FUNCTION, elementWork(e.of));
    case "binary": {
      const isSpecial = e.fn === "pow" || e.fn === "div" || e.fn === "mod" || e.fn === "fmod";
      return sum(isSpecial ? FUNCTION : ONE, elementWork(e.left), elementWork(e.right));
    }
    case "where":
      return sum(ONE, elementWork(e.condition), elementWork(e.whenTrue), elementWork(e.whenFalse));
  }
}

const ONE: ElementWork = { operations: 1, special: 0 };
/** A function of a few instructions, one of them special. */
const FUNCTION: ElementWork = { operations: 6, special: 1 };

function sum(...works: readonly ElementWork[]): ElementWork {
  return {
    operations: works.reduce((all, { operations }) => all + operations, 0),
    special: works.reduce((all, { special }) => all + special, 0),
  };
}
