/** What a kernel's record may hold for its family, and the text of expressions. */
import { describe, expect, it } from "vitest";
import {
  between,
  flag,
  floats,
  group,
  listOf,
  nullable,
  optional,
  readParams,
  real,
  size,
  word,
} from "../../ir/families/contract/params.js";
import {
  binary,
  cast,
  constant,
  type Expression,
  input,
  parseExpression,
  printExpression,
  unary,
  where,
} from "../../ir/families/expression.js";
import { FAMILIES } from "../../ir/families/index.js";
import type { ParamRecord } from "../../ir/program/program.js";

const PARAMS = {
  n: size,
  rank: between(1, 5),
  epsilon: real,
  gated: flag,
  source: word("f32", "bf16"),
  inputs: listOf(word("i32", "u32")),
  frequencies: nullable(listOf(real)),
  heads: optional(group({ columns: size, epsilon: real })),
  out: optional(floats),
};
const RECORD: ParamRecord = {
  n: 0,
  rank: 5,
  epsilon: -1e-6,
  gated: false,
  source: "bf16",
  inputs: ["u32", "i32"],
};

/** The first parameter that is wrong, and what was expected; null where none is. */
function problem(record: ParamRecord): string | null {
  let found: string | null = null;
  readParams(PARAMS, record, (name, expected) => {
    found ??= `${name}: ${expected}`;
  });
  return found;
}

describe("parameters of a kernel", () => {
  it("are read as they are, and what may be left out has its default", () => {
    const values = readParams(PARAMS, RECORD, expect.unreachable);
    expect(values).toEqual({ ...RECORD, frequencies: null });
    const whole = { ...RECORD, frequencies: [0.5, 1], heads: { columns: 8, epsilon: 1e-6 }, out: "f32" };
    expect(readParams(PARAMS, whole, expect.unreachable)).toEqual(whole);
  });

  it.each<readonly [string, ParamRecord, string]>([
    ["a size that is no number", { n: "8" }, "n: a size"],
    ["a negative size", { n: -1 }, "n: a size"],
    ["a part of a size", { n: 1.5 }, "n: a size"],
    ["a size beyond what is exact", { n: 2 ** 53 }, "n: a size"],
    ["a size out of its range", { rank: 6 }, "rank: from 1 to 5"],
    ["a number that is none", { epsilon: Number.NaN }, "epsilon: a number"],
    ["a word for a flag", { gated: "true" }, "gated: true or false"],
    ["another word", { source: "f16" }, "source: f32 or bf16"],
    ["text for a list", { inputs: '["u32"]' }, "inputs: a list, each i32 or u32"],
    ["another word in a list", { inputs: ["u32", "f32"] }, "inputs: a list, each i32 or u32"],
    ["an object without a member", { heads: { columns: 8 } }, "heads: an object with columns, epsilon"],
    [
      "an object with another member",
      { heads: { columns: 8, epsilon: 0, more: 1 } },
      "heads: an object with columns, epsilon",
    ],
    ["a list for an object", { heads: [8, 0] }, "heads: an object with columns, epsilon"],
  ])("are not %s", (_, change, expected) => {
    expect(problem({ ...RECORD, ...change })).toBe(expected);
  });

  it("are all there, and no others", () => {
    const { n, ...rest } = RECORD;
    expect(problem(rest)).toBe("n: a size");
    expect(problem({ ...RECORD, toString: 1 })).toMatch(/^toString: only n, rank, /);
    const kernel = { id: "k", params: { log: true, c: 4 } };
    expect(() => FAMILIES.softmax.read(kernel)).toThrow(
      /kernel k: the parameter c is not what its family needs\n.*only log\n.*4/,
    );
  });
});

describe("the text of an expression", () => {
  it.each<readonly [string, Expression]>([
    ["in0", input(0)],
    ["add(in12, -0.5)", binary("add", input(12), constant(-0.5))],
    ["gelu-tanh(mul(in0, 1e-7))", unary("gelu-tanh", binary("mul", input(0), constant(1e-7)))],
    ["where(i32(-3), -Infinity, NaN)", where(constant(-3, "i32"), constant(-Infinity), constant(Number.NaN))],
    ["u32(in0)", cast("u32", input(0))],
    ["f32(u32(7))", cast("f32", constant(7, "u32"))],
    ["-0", constant(-0)],
  ])("%s is read as it was written", (text, expression) => {
    expect(printExpression(expression)).toBe(text);
    expect(parseExpression(text)).toEqual(expression);
  });

  it.each([
    "",
    "in",
    "in0 in1",
    "add(in0",
    "add()",
    "where(in0, in1)(in2)",
    "max(in0, in1, in2)",
    "i32(in0, in1)",
  ])("%s is none", (text) => {
    expect(() => parseExpression(text)).toThrow(/expression:1/);
  });

  it("is refused where it is nested too deep", () => {
    expect(() => parseExpression(`${"neg(".repeat(300)}in0${")".repeat(300)}`)).toThrow(
      /functions of functions/,
    );
  });
});
