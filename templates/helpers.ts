import type { HelperDelegate, HelperOptions } from "handlebars";

/** A defect of a template or of its values; `renderTemplate` turns it into a TritcError. */
export class TemplateFault extends Error {
  override readonly name = "TemplateFault";
}

function num(value: unknown, helper: string): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TemplateFault(`${helper} got ${String(value)} where it takes a number`);
  }
  return value;
}

function bool(value: unknown, helper: string): boolean {
  if (typeof value !== "boolean") {
    throw new TemplateFault(`${helper} got ${String(value)} where it takes true or false`);
  }
  return value;
}

/** Operands of a helper without the options object that Handlebars appends. */
function operands(all: readonly unknown[]): readonly unknown[] {
  return all.slice(0, -1);
}

function fold(name: string, combine: (a: number, b: number) => number): HelperDelegate {
  return (...all: unknown[]) =>
    operands(all)
      .map((value) => num(value, name))
      .reduce(combine);
}

function compare(name: string, test: (a: number, b: number) => boolean): HelperDelegate {
  return (a: unknown, b: unknown) => test(num(a, name), num(b, name));
}

function exactQuotient(a: number, b: number): number {
  if (b === 0 || !Number.isInteger(a / b)) throw new TemplateFault(`div: ${a} is not a multiple of ${b}`);
  return a / b;
}

/**
 * Everything a template may call.
 *   add sub mul min max  of numbers     div a b   exact, else a fault    mod a b
 *   eq a b, ne a b       of anything    lt gt le  of numbers             and or not   of booleans
 *   range n, range from to              [from, to)
 *   #for list as |item index|, #if flag … else, #unless flag: keep the context
 *   assert condition "message"          nothing, or a fault
 */
export const HELPERS: Readonly<Record<string, HelperDelegate>> = {
  add: fold("add", (a, b) => a + b),
  sub: fold("sub", (a, b) => a - b),
  mul: fold("mul", (a, b) => a * b),
  min: fold("min", Math.min),
  max: fold("max", Math.max),
  div: fold("div", exactQuotient),
  mod: fold("mod", (a, b) => a % b),
  lt: compare("lt", (a, b) => a < b),
  gt: compare("gt", (a, b) => a > b),
  le: compare("le", (a, b) => a <= b),
  eq: (a: unknown, b: unknown) => a === b,
  ne: (a: unknown, b: unknown) => a !== b,
  not: (a: unknown) => !bool(a, "not"),
  and: (...all: unknown[]) => operands(all).every((value) => bool(value, "and")),
  or: (...all: unknown[]) => operands(all).some((value) => bool(value, "or")),
  range: (...all: unknown[]) => {
    const [a, b] = operands(all).map((value) => num(value, "range"));
    if (a === undefined) throw new TemplateFault("range takes one or two numbers");
    const [from, to] = b === undefined ? [0, a] : [a, b];
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  },
  assert: (condition: unknown, message: unknown) => {
    if (!bool(condition, "assert")) throw new TemplateFault(`assertion failed: ${String(message)}`);
    return "";
  },
  if: function (this: unknown, condition: unknown, options: HelperOptions) {
    return bool(condition, "if") ? options.fn(this) : options.inverse(this);
  },
  unless: function (this: unknown, condition: unknown, options: HelperOptions) {
    return bool(condition, "unless") ? options.inverse(this) : options.fn(this);
  },
  for: function (this: unknown, list: unknown, options: HelperOptions) {
    if (!Array.isArray(list)) throw new TemplateFault(`for got ${String(list)} where it takes a list`);
    return list.map((item: unknown, index) => options.fn(this, { blockParams: [item, index] })).join("");
  },
};
