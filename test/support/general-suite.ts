import { describe, expect, it } from "vitest";
import {
  binary,
  cast,
  constant,
  type ElementFn,
  type ElementType,
  type Expression,
  input,
  unary,
  where,
} from "../../ir/families/expression.js";
import type { BinaryFn } from "../../ir/ops/elementwise.js";
import { defineKernel } from "../../templates/index.js";
import { expectClose } from "./compare.js";
import { expectOut } from "./expect-out.js";
import { activate, erfc } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { type Data, matrix, output, runLaunch } from "./launch.js";
import { randomFloats, randomInts } from "./random.js";

/** Attention, strided matmul and elementwise expressions, against double precision. */
export function generalSuite(kernelDevices: KernelDevices): void {
  const { target, devices } = kernelDevices;
  const device = () => Object.values(devices())[0]!;

  it.each([
    { heads: 3, headDim: 20, tokens: 33, keys: 70 },
    { heads: 1, headDim: 128, tokens: 35, keys: 40 },
    { heads: 1, headDim: 160, tokens: 17, keys: 33 },
    // The middle of a VAE.
    { heads: 1, headDim: 512, tokens: 18, keys: 70 },
  ])(
    "attention: $heads x $headDim, $tokens queries, $keys keys",
    async ({ heads, headDim, tokens, keys }) => {
      const c = heads * headDim;
      const scale = 1 / Math.sqrt(headDim);
      const [q, k, v] = [
        randomFloats(1, tokens * c, 2),
        randomFloats(2, keys * c, 2),
        randomFloats(3, keys * c),
      ];
      // Scores far from 0 on both sides: softmax has to subtract the maximum.
      for (let i = 0; i < c; i++) q[i] = q[i]! * 30;
      const expected = new Float64Array(tokens * c);
      for (let h = 0; h < heads; h++) {
        for (let t = 0; t < tokens; t++) {
          const scores = Array.from({ length: keys }, (_, key) => {
            let sum = 0;
            for (let d = 0; d < headDim; d++)
              sum += q[t * c + h * headDim + d]! * k[key * c + h * headDim + d]!;
            return sum * scale;
          });
          const peak = Math.max(...scores);
          const weights = scores.map((s) => Math.exp(s - peak));
          const total = weights.reduce((a, b) => a + b, 0);
          for (let d = 0; d < headDim; d++) {
            expected[t * c + h * headDim + d] =
              weights.reduce((sum, w, key) => sum + w * v[key * c + h * headDim + d]!, 0) / total;
          }
        }
      }
      const definition = defineKernel("attention", { heads, headDim, scale }, target);
      const used = definition.fallback === null ? [device()] : Object.values(devices());
      for (const on of used) {
        const { out } = await runLaunch(on, definition, {
          rows: tokens,
          args: {
            q: matrix(q, tokens, c, { rowStride: c + 3, offset: 5 }),
            k: matrix(k, keys, c, { rowStride: c + 1 }),
            v: matrix(v, keys, c, { offset: 9 }),
            out: output(tokens, c, { rowStride: c + 4 }),
          },
          scalars: [keys],
          grid: [heads, tokens, 1],
        });
        expectClose(out, expected, c, { absolute: 5e-5, relative: 1e-4 });
      }
    },
  );

  it.each([
    { batch: 1, m: 1, n: 5, k: 3 },
    { batch: 3, m: 33, n: 37, k: 21 },
    { batch: 2, m: 70, n: 65, k: 40 },
  ])("matmul with a transposed operand: $batch x $m x $n x $k", async ({ batch, m, n, k }) => {
    const a = randomFloats(1, batch * m * k);
    // b is stored [n, k] and shared by the batch.
    const b = randomFloats(2, n * k);
    const expected = Float64Array.from({ length: batch * m * n }, (_, i) => {
      const [row, column] = [Math.floor(i / n), i % n];
      let sum = 0;
      for (let e = 0; e < k; e++) sum += a[row * k + e]! * b[column * k + e]!;
      return sum;
    });
    const request = {
      rows: batch * m,
      args: {
        a: matrix(a, batch * m, k, { offset: 3 }),
        b: matrix(b, n, k),
        out: output(batch * m, n, { rowStride: n + 2 }),
      },
      scalars: [batch, m, n, k, m * k, k, 1, 0, 1, k, m * (n + 2), n + 2],
      grid: [n, m, batch],
    } as const;
    await expectOut(kernelDevices, defineKernel("matmul", {}, target), request, expected, { absolute: 1e-5 });
  });

  describe("elementwise", () => {
    async function evaluate(
      expression: Expression,
      inputs: readonly { readonly type: ElementType; readonly data: Data }[],
      outputType: ElementType,
    ): Promise<Data> {
      const count = inputs[0]!.data.length;
      const params = { rank: 1, inputs: inputs.map(({ type }) => type), output: outputType, expression };
      const args = Object.fromEntries(inputs.map(({ data }, i) => [`in${i}`, matrix(data, 1, count)]));
      const { out } = await runLaunch(device(), defineKernel("elementwise", params, target), {
        rows: count,
        args: { ...args, out: output(1, count) },
        scalars: [count, ...inputs.map(() => 1), 1],
        grid: [count, 1, 1],
      });
      return out!;
    }

    /** `cases[i]` of the i-th part of the inputs: one kernel instead of one per function. */
    function chosen(cases: readonly Expression[], selector: Expression): Expression {
      return cases.reduceRight((rest, expression, i) =>
        where(binary("equal", selector, constant(i, "u32")), expression, rest),
      );
    }

    const selectors = (count: number, length: number) =>
      Uint32Array.from({ length: count * length }, (_, i) => Math.floor(i / length));

    it("computes every float function", async () => {
      const x = Float32Array.from({ length: 301 }, (_, i) => (i - 150) / 25);
      const functions = Object.entries(FLOAT_FUNCTIONS);
      const sources = functions.map(([, { map }]) => x.map((v) => map(v)));
      const out = await evaluate(
        chosen(
          functions.map(([fn]) => unary(fn as ElementFn, input(0))),
          input(1),
        ),
        [
          { type: "f32", data: Float32Array.from(sources.flatMap((source) => [...source])) },
          { type: "u32", data: selectors(functions.length, 301) },
        ],
        "f32",
      );
      for (const [i, [fn, { reference, absolute }]] of functions.entries()) {
        const part = out.slice(i * 301, (i + 1) * 301);
        named(fn, () => {
          expectClose(part, Array.from(sources[i]!, reference), 301, { absolute, relative: 2e-5 });
        });
      }
    });

    describe.each(["f32", "i32"] as const)("computes every binary function of %s", (type) => {
      it.each([
        { kind: "values", comparing: false },
        { kind: "truths", comparing: true },
      ])("$kind", async ({ comparing }) => {
        const functions = Object.entries(BINARY_FUNCTIONS).filter(
          ([fn]) => COMPARING.has(fn) === comparing && (type === "i32" || !/^(bit|shift)-/.test(fn)),
        );
        const operands = functions.map(([fn]) => (type === "f32" ? floatOperands(fn) : integerOperands(fn)));
        const gather = (side: 0 | 1) => {
          const values = operands.flatMap((sides) => [...sides[side]]);
          return { type, data: type === "f32" ? Float32Array.from(values) : Int32Array.from(values) };
        };
        const out = await evaluate(
          chosen(
            functions.map(([fn]) => binary(fn as BinaryFn, input(0), input(1))),
            input(2),
          ),
          [gather(0), gather(1), { type: "u32", data: selectors(functions.length, 70) }],
          comparing ? "u32" : type,
        );
        for (const [i, [fn, reference]] of functions.entries()) {
          const [left, right] = operands[i]!;
          const expected = Array.from(left, (v, j) => reference(v, right[j]!));
          const part = out.slice(i * 70, (i + 1) * 70);
          named(fn, () => {
            if (type === "f32") expectClose(part, expected, 70, { absolute: 1e-5, relative: 1e-4 });
            else expectClose(part, Int32Array.from(expected, Math.trunc), 70);
          });
        }
      });
    });

    it("knows infinities and NaN, negative bases, casts and where", async () => {
      const x = Float32Array.of(Infinity, -Infinity, Number.NaN, 1.75, -1.75, 3e9, -3e9, 0);
      const f = (e: Expression, type: ElementType) => evaluate(e, [{ type: "f32", data: x }], type);
      expect([...(await f(unary("is-inf", input(0)), "u32"))]).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
      expect([...(await f(unary("is-nan", input(0)), "u32"))]).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
      const truncated = await f(cast("i32", input(0)), "i32");
      expect([...truncated.slice(3)]).toEqual([1, -1, 2 ** 31 - 1, -(2 ** 31), 0]);
      const cubes = await f(binary("pow", input(0), constant(3)), "f32");
      expectClose(cubes.slice(3, 5), [5.359375, -5.359375], 2, { relative: 1e-5 });
      const masked = where(
        binary("greater", input(0), constant(0)),
        input(0),
        constant(Number.NEGATIVE_INFINITY),
      );
      expect([...(await f(masked, "f32")).slice(3)]).toEqual([1.75, -Infinity, 3e9, -Infinity, -Infinity]);
    });

    it("transposes and broadcasts with strides", async () => {
      const sizes = [2, 3, 5, 7] as const;
      const count = 210;
      const x = randomFloats(1, count);
      const row = randomFloats(2, 7);
      const params = {
        rank: 4,
        inputs: ["f32", "f32"],
        output: "f32",
        expression: binary("add", binary("mul", input(0), constant(0.5)), input(1)),
      } as const;
      // out[a, b, c, d] is stored at [a, c, b, d]; input 1 is the same for all a, b, c.
      const expected = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        const [a, b, c, d] = [Math.floor(i / 105), Math.floor(i / 35) % 3, Math.floor(i / 7) % 5, i % 7];
        expected[((a * 5 + c) * 3 + b) * 7 + d] = x[i]! * 0.5 + row[d]!;
      }
      const { out } = await runLaunch(device(), defineKernel("elementwise", params, target), {
        rows: count,
        args: {
          in0: matrix(x, 1, count, { offset: 2 }),
          in1: matrix(row, 1, 7, { offset: 1 }),
          out: output(1, count),
        },
        scalars: [...sizes, 105, 35, 7, 1, 0, 0, 0, 1, 105, 7, 21, 1],
        grid: [count, 1, 1],
      });
      expectClose(out, expected, 7, { absolute: 1e-6 });
    });
  });
}

/** Names the function in what a check throws. */
function named(fn: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw new Error(`${fn}: ${String(cause)}`, { cause });
  }
}

function floatOperands(fn: string): readonly [Float32Array, Float32Array] {
  const left = randomFloats(1, 70, 3);
  return [fn === "pow" ? left.map(Math.abs) : left, randomFloats(2, 70, 3)];
}

function integerOperands(fn: string): readonly [Int32Array, Int32Array] {
  const left = randomInts(3, 70, -40, 40);
  const right = randomInts(4, 70, -7, 9).map((v) => v || 3);
  const small = fn.startsWith("shift") || fn === "pow";
  return [
    fn === "shift-right" ? left.map(Math.abs) : left,
    small ? right.map((v) => Math.abs(v) % 4) : right,
  ];
}

interface FloatFunction {
  readonly reference: (x: number) => number;
  /** Into the function's domain. */
  readonly map: (x: number) => number;
  readonly absolute: number;
}
const positive = (x: number) => Math.abs(x) + 0.01;
const unit = (x: number) => x / 7;
const of = (
  reference: (x: number) => number,
  map: (x: number) => number = (x) => x,
  absolute = 1e-5,
): FloatFunction => ({ reference, map, absolute });
/** WGSL bounds the error of its inverse trigonometric functions by 6.8e-5. */
const INVERSE = 1e-4;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.log1p(Math.exp(x));

const FLOAT_FUNCTIONS: Readonly<Partial<Record<ElementFn, FloatFunction>>> = {
  abs: of(Math.abs),
  acos: of(Math.acos, unit, INVERSE),
  acosh: of(Math.acosh, (x) => Math.abs(x) + 1.01, INVERSE),
  asin: of(Math.asin, unit, INVERSE),
  asinh: of(Math.asinh, undefined, INVERSE),
  atan: of(Math.atan, undefined, INVERSE),
  atanh: of(Math.atanh, unit, INVERSE),
  ceil: of(Math.ceil),
  cos: of(Math.cos, (x) => x * 20),
  cosh: of(Math.cosh),
  erf: of((x) => 1 - erfc(x)),
  exp: of(Math.exp),
  floor: of(Math.floor),
  "gelu-erf": of((x) => activate(x, "gelu-erf")),
  "gelu-tanh": of((x) => activate(x, "gelu-tanh")),
  "hard-swish": of((x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  log: of(Math.log, positive),
  mish: of((x) => x * Math.tanh(softplus(x))),
  neg: of((x) => -x),
  reciprocal: of((x) => 1 / x, positive),
  relu: of((x) => Math.max(x, 0)),
  sigmoid: of(sigmoid),
  sign: of(Math.sign),
  silu: of((x) => activate(x, "silu")),
  sin: of(Math.sin, (x) => x * 20),
  sinh: of(Math.sinh),
  softplus: of(softplus),
  softsign: of((x) => x / (1 + Math.abs(x))),
  sqrt: of(Math.sqrt, positive),
  tan: of(Math.tan, unit),
  tanh: of(Math.tanh),
};

const COMPARING: ReadonlySet<string> = new Set([
  "and",
  "or",
  "xor",
  "equal",
  "less",
  "less-equal",
  "greater",
  "greater-equal",
]);
const BINARY_FUNCTIONS: Readonly<Record<BinaryFn, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  mod: (a, b) => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b),
  fmod: (a, b) => a % b,
  max: Math.max,
  min: Math.min,
  and: (a, b) => Number(a !== 0 && b !== 0),
  or: (a, b) => Number(a !== 0 || b !== 0),
  xor: (a, b) => Number((a !== 0) !== (b !== 0)),
  "bit-and": (a, b) => a & b,
  "bit-or": (a, b) => a | b,
  "bit-xor": (a, b) => a ^ b,
  "shift-left": (a, b) => a << b,
  "shift-right": (a, b) => a >>> b,
  equal: (a, b) => Number(a === b),
  less: (a, b) => Number(a < b),
  "less-equal": (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  "greater-equal": (a, b) => Number(a >= b),
};
