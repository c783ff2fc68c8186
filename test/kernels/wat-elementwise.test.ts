import { describe, expect, it } from "vitest";
import {
  binary,
  cast,
  constant,
  type ElementFn,
  type ElementType,
  type Expression,
  input,
  printExpression,
  typeOfExpression,
  unary,
  where,
} from "../../ir/families/expression.js";
import { COMPARISONS } from "../../ir/ops/elementwise.js";
import { countOf } from "../../ir/tensor.js";
import { cpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { expectClose } from "../support/compare.js";
import { activate, erfc } from "../support/gemm.js";
import { wasmDevices } from "../support/kernel-devices.js";
import { type Data, matrix, output, runLaunch } from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";

const { devices } = wasmDevices();

function typeOfData(data: Data): ElementType {
  return data instanceof Float32Array ? "f32" : data instanceof Int32Array ? "i32" : "u32";
}

/** The expression over dense inputs of one length. */
async function evaluate(expression: Expression, ...inputs: readonly Data[]): Promise<Data> {
  const count = inputs[0]!.length;
  const types = inputs.map(typeOfData);
  const params = { rank: 1, inputs: types, output: typeOfExpression(expression, types), expression };
  const { out } = await runLaunch(devices().one!, defineKernel("elementwise", params, cpu), {
    rows: count,
    args: {
      ...Object.fromEntries(inputs.map((data, i) => [`in${i}`, matrix(data, 1, count, { offset: 3 })])),
      out: output(1, count),
    },
    scalars: [count, ...inputs.map(() => 1), 1],
    grid: [count, 1, 1],
  });
  return out!;
}

const x = Float32Array.of(
  ...randomFloats(1, 90, 3),
  0,
  -1,
  1,
  0.5,
  -0.5,
  2.5,
  -3.5,
  1e-6,
  -1e-6,
  20,
  -20,
  88,
  -88,
  1e-3,
);
const positive = x.map((v) => Math.abs(v) + 1e-3);
const small = x.map((v) => Math.max(-0.999, Math.min(0.999, v / 4)));

const UNARY: readonly (readonly [ElementFn, Float32Array, (v: number) => number])[] = [
  ["abs", x, Math.abs],
  ["neg", x, (v) => -v],
  ["ceil", x, Math.ceil],
  ["floor", x, Math.floor],
  ["sqrt", positive, Math.sqrt],
  ["reciprocal", positive, (v) => 1 / v],
  ["relu", x, (v) => Math.max(0, v)],
  ["exp", x, Math.exp],
  ["log", positive, Math.log],
  ["sigmoid", x, (v) => 1 / (1 + Math.exp(-v))],
  ["sign", x, Math.sign],
  ["sin", x, Math.sin],
  ["cos", x, Math.cos],
  ["tan", x, Math.tan],
  ["asin", small, Math.asin],
  ["acos", small, Math.acos],
  ["atan", x, Math.atan],
  ["sinh", x, Math.sinh],
  ["cosh", x, Math.cosh],
  ["tanh", x, Math.tanh],
  ["asinh", x, Math.asinh],
  ["acosh", positive.map((v) => v + 1), Math.acosh],
  ["atanh", small, Math.atanh],
  ["erf", x, (v) => 1 - erfc(v)],
  ["softplus", x, (v) => (v > 40 ? v : Math.log1p(Math.exp(v)))],
  ["softsign", x, (v) => v / (1 + Math.abs(v))],
  ["mish", x, (v) => v * Math.tanh(v > 40 ? v : Math.log1p(Math.exp(v)))],
  ["hard-swish", x, (v) => v * Math.max(0, Math.min(1, v / 6 + 0.5))],
  ["silu", x, (v) => activate(v, "silu")],
  ["gelu-tanh", x, (v) => activate(v, "gelu-tanh")],
  ["gelu-erf", x, (v) => activate(v, "gelu-erf")],
];

describe("elementwise functions of f32", () => {
  it.each(UNARY)("%s", async (fn, data, reference) => {
    const actual = await evaluate(unary(fn, input(0)), data);
    const expected = Float64Array.from(data, (v) => reference(v));
    // Below 1e-37 results flush to zero. The cancelling ends of sigmoids are as exact as e^x.
    expectClose(actual, expected.map(Math.fround), data.length, {
      absolute: fn === "erf" ? 1e-7 : 2e-7,
      relative: 3e-7,
    });
  });

  it("round, not, is-nan, is-inf at the edges", async () => {
    const edges = Float32Array.of(0.5, 1.5, -0.5, -2.5, 3, Number.NaN, Infinity, -Infinity, -0);
    expect(Array.from(await evaluate(unary("round", input(0)), edges)).slice(0, 5)).toEqual([
      0, 2, -0, -2, 3,
    ]);
    expect(Array.from(await evaluate(unary("is-nan", input(0)), edges))).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0]);
    expect(Array.from(await evaluate(unary("is-inf", input(0)), edges))).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 0]);
    expect(Array.from(await evaluate(unary("not", input(0)), edges))).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1]);
    const exps = await evaluate(
      unary("exp", input(0)),
      Float32Array.of(89, -104, Number.NaN, Infinity, -Infinity),
    );
    expect(Array.from(exps)).toEqual([Infinity, 0, Number.NaN, Infinity, 0]);
  });
});

describe("elementwise operators", () => {
  const a = randomFloats(2, 61, 3);
  const b = Float32Array.from(randomFloats(3, 61, 3), (v, i) => (i % 5 === 0 ? a[i]! : v));
  const floorMod = (p: number, q: number) => p - Math.floor(p / q) * q;
  it("f32 arithmetic", async () => {
    const cases = [
      ["add", (p: number, q: number) => p + q],
      ["sub", (p: number, q: number) => p - q],
      ["mul", (p: number, q: number) => p * q],
      ["div", (p: number, q: number) => p / q],
      ["max", Math.max],
      ["min", Math.min],
    ] as const;
    for (const [fn, reference] of cases) {
      expectClose(
        await evaluate(binary(fn, input(0), input(1)), a, b),
        a.map((p, i) => reference(p, b[i]!)),
        61,
      );
    }
    for (const [fn, reference] of [
      ["mod", floorMod],
      ["fmod", (p: number, q: number) => p % q],
    ] as const) {
      const expected = a.map((p, i) => reference(p, b[i]!));
      expectClose(await evaluate(binary(fn, input(0), input(1)), a, b), expected, 61, { absolute: 1e-6 });
    }
    const power = a.map((p, i) => (i % 2 === 0 ? Math.abs(p) : p));
    const exponents = b.map((q, i) => (i % 2 === 0 ? q : Math.round(q)));
    const expected = power.map((p, i) => p ** exponents[i]!);
    expectClose(await evaluate(binary("pow", input(0), input(1)), power, exponents), expected, 61, {
      relative: 1e-6,
    });
  });

  it("comparisons, where and casts", async () => {
    const references = {
      equal: (p: number, q: number) => p === q,
      less: (p: number, q: number) => p < q,
      "less-equal": (p: number, q: number) => p <= q,
      greater: (p: number, q: number) => p > q,
      "greater-equal": (p: number, q: number) => p >= q,
    };
    const ints = [randomInts(4, 61, -5, 5), randomInts(5, 61, -5, 5)] as const;
    for (const [fn, reference] of Object.entries(references)) {
      expect(COMPARISONS.has(fn as "equal")).toBe(true);
      for (const [p, q] of [[a, b], ints] as const) {
        const expected = Uint32Array.from(p, (v, i) => (reference(v, q[i]!) ? 1 : 0));
        expect(await evaluate(binary(fn as "equal", input(0), input(1)), p, q)).toEqual(expected);
      }
    }
    const picked = where(binary("less", input(0), constant(0.25)), input(1), unary("neg", input(0)));
    expectClose(
      await evaluate(picked, a, b),
      a.map((p, i) => (p < 0.25 ? b[i]! : -p)),
      61,
    );
    const floats = Float32Array.of(1.9, -1.9, 3e9, -3e9, Number.NaN);
    expect(Array.from(await evaluate(cast("i32", input(0)), floats))).toEqual([
      1, -1, 2147483647, -2147483648, 0,
    ]);
    expect(Array.from(await evaluate(cast("u32", input(0)), floats))).toEqual([1, 0, 3000000000, 0, 0]);
    const words = Uint32Array.of(0, 7, 4000000000);
    expect(Array.from(await evaluate(cast("f32", input(0)), words))).toEqual([0, 7, 4000000000]);
  });

  it("integers, division by zero included", async () => {
    const p = randomInts(6, 50, -1000, 1000);
    const q = randomInts(7, 50, -4, 4);
    const references = {
      add: (u: number, v: number) => u + v,
      mul: (u: number, v: number) => u * v,
      div: (u: number, v: number) => (v === 0 ? 0 : Math.trunc(u / v)),
      mod: (u: number, v: number) => (v === 0 ? 0 : floorMod(u, v)),
      fmod: (u: number, v: number) => (v === 0 ? 0 : u % v),
      "bit-and": (u: number, v: number) => u & v,
      and: (u: number, v: number) => (u !== 0 && v !== 0 ? 1 : 0),
      xor: (u: number, v: number) => ((u !== 0) !== (v !== 0) ? 1 : 0),
    };
    for (const [fn, reference] of Object.entries(references)) {
      const actual = await evaluate(binary(fn as "add", input(0), input(1)), p, q);
      expectClose(
        actual,
        Array.from(p, (u, i) => reference(u, q[i]!)),
        50,
      );
    }
    const shifts = Uint32Array.from({ length: 50 }, (_, i) => i);
    const values = Uint32Array.from(p);
    const left = await evaluate(binary("shift-left", input(0), input(1)), values, shifts);
    expect(Array.from(left)).toEqual(Array.from(values, (v, i) => (i < 32 ? (v << i) >>> 0 : 0)));
  });

  it("names what it cannot do", () => {
    const wrong = { rank: 1, inputs: ["i32"], output: "i32", expression: unary("sin", input(0)) } as const;
    expect(() => defineKernel("elementwise", wrong, cpu)).toThrow(/function of i32/);
    expect(printExpression(where(input(0), constant(2, "i32"), cast("i32", input(1))))).toBe(
      "where(in0, i32(2), i32(in1))",
    );
  });
});

describe("elementwise strides", () => {
  /** sizes, strides of two inputs, and of the output; offsets are the launch's. */
  const CASES = [
    { name: "broadcast row", sizes: [5, 37], a: [37, 1], b: [0, 1], out: [40, 1] },
    { name: "broadcast column", sizes: [6, 9], a: [9, 1], b: [1, 0], out: [9, 1] },
    { name: "transpose", sizes: [7, 11], a: [1, 7], b: [11, 1], out: [11, 1] },
    { name: "four axes", sizes: [2, 3, 5, 6], a: [90, 6, 18, 1], b: [0, 6, 0, 1], out: [90, 30, 6, 1] },
    { name: "strided output", sizes: [3, 8], a: [8, 1], b: [8, 1], out: [16, 2] },
    { name: "more than a tile", sizes: [3, 3001], a: [3001, 1], b: [0, 0], out: [3001, 1] },
  ];
  it.each(CASES)("$name", async ({ sizes, a, b, out }) => {
    const total = countOf(sizes);
    const extent = (strides: readonly number[]) =>
      1 + strides.reduce((sum, s, i) => sum + s * (sizes[i]! - 1), 0);
    const left = randomFloats(8, extent(a));
    const right = randomFloats(9, extent(b));
    const expression = binary("sub", input(0), binary("mul", input(1), constant(0.5)));
    const params = { rank: sizes.length, inputs: ["f32", "f32"], output: "f32", expression } as const;
    const request = {
      rows: total,
      args: {
        in0: matrix(left, 1, left.length, { offset: 5 }),
        in1: matrix(right, 1, right.length, { offset: 2 }),
        out: output(1, extent(out)),
      },
      scalars: [...sizes, ...a, ...b, ...out],
      grid: [total, 1, 1],
    } as const;
    const definition = defineKernel("elementwise", params, cpu);
    const results = await runLaunch(devices().one!, definition, request);
    const written = new Set<number>();
    for (let index = 0; index < total; index++) {
      const at = [0, 0, 0];
      let rest = index;
      for (let axis = sizes.length - 1; axis >= 0; axis--) {
        const coordinate = rest % sizes[axis]!;
        rest = Math.floor(rest / sizes[axis]!);
        for (const [i, strides] of [a, b, out].entries()) at[i] = at[i]! + coordinate * strides[axis]!;
      }
      const expected = Math.fround(left[at[0]!]! - Math.fround(right[at[1]!]! * 0.5));
      if (results.out![at[2]!] !== expected)
        throw new Error(`element ${index}: ${results.out![at[2]!]}, not ${expected}`);
      written.add(at[2]!);
    }
    const untouched = new Float32Array(new Uint32Array([0xcdcdcdcd]).buffer)[0];
    results.out!.forEach((v, i) => {
      if (!written.has(i) && v !== untouched) throw new Error(`element ${i} between strides was written`);
    });
    expect(await runLaunch(devices().two!, definition, request)).toEqual(results);
  });
});
