import { describe, expect, it } from "vitest";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import { defineKernel, type Family, type FamilyParams } from "../../templates/index.js";
import { expectClose } from "./compare.js";
import type { KernelDevices } from "./kernel-devices.js";
import {
  type Data,
  type LaunchRequest,
  type MatrixArg,
  matrix,
  output,
  runLaunch,
  vector,
} from "./launch.js";
import { randomFloats, randomInts } from "./random.js";

const ROWS = [
  { m: 1, c: 4 },
  { m: 5, c: 64 },
  { m: 3, c: 137 },
] as const;
const EPSILON = 1e-6;

/** Families that work on rows, against double precision; quantization to the bit. */
export function rowSuite({ target, devices }: KernelDevices): void {
  /** On every device of the target, which must agree to the bit; returns the matrices written. */
  async function run<F extends Family>(
    family: F,
    params: FamilyParams[F],
    request: LaunchRequest,
  ): Promise<Readonly<Record<string, Data>>> {
    const definition = defineKernel(family, params, target);
    const all: Readonly<Record<string, Data>>[] = [];
    // A kernel without a fallback is the same one everywhere.
    const used = Object.values(devices()).slice(0, definition.fallback === null ? 1 : undefined);
    for (const device of used) all.push(await runLaunch(device, definition, request));
    for (const result of all) expect(result).toEqual(all[0]);
    return all[0]!;
  }

  describe.each(ROWS)("rows $m x $c", ({ m, c }) => {
    const x = randomFloats(c, m * c, 3);
    const kPad = Math.ceil(c / 16) * 16;
    const rows = <T>(f: (row: Float32Array, r: number) => T): T[] =>
      Array.from({ length: m }, (_, r) => f(x.subarray(r * c, (r + 1) * c), r));
    const xArg = matrix(x, m, c, { rowStride: c + 3, offset: 5 });
    const grid = [1, m, 1] as const;

    it("quantize-rows", async () => {
      const data = x.slice();
      if (m > 2) data.fill(2 ** -101, c, 2 * c);
      const { q, rowScale, rowSum } = await run(
        "quantize-rows",
        { c },
        {
          rows: m,
          args: {
            x: matrix(data, m, c, { rowStride: c + 3, offset: 5 }),
            q: output(m, kPad, { rowStride: kPad + 16 }),
            rowScale: output(m, 1),
            rowSum: output(m, 1),
          },
          grid,
        },
      );
      const codes = new Int8Array(m * kPad);
      for (let r = 0; r < m; r++) {
        const row = quantizeRow(data.subarray(r * c, (r + 1) * c), codes.subarray(r * kPad, r * kPad + c));
        expect(rowScale![r]).toBe(row.scale);
        expect(rowSum![r]).toBe(row.sum);
      }
      expectClose(q, codes, kPad);
    });

    it("quantize-rows of rows in several matrices, as of the joined row", async () => {
      const data = x.slice();
      if (m > 2) data.fill(0, c, 2 * c);
      const results = { q: output(m, kPad), rowScale: output(m, 1), rowSum: output(m, 1) };
      const joined = await run(
        "quantize-rows",
        { c },
        { rows: m, args: { x: matrix(data, m, c), ...results }, grid },
      );
      // Cuts at and off multiples of 4 and 16; the peak of a row lies in one part only.
      for (const parts of [[c], [1, c - 1], [Math.floor(c / 2), Math.ceil(c / 2) - 1, 1]]) {
        const args: Record<string, MatrixArg> = { ...results };
        let start = 0;
        for (const [i, length] of parts.entries()) {
          const from = start;
          const columns = rows((_, r) => [...data.subarray(r * c + from, r * c + from + length)]).flat();
          args[`x${i}`] = matrix(Float32Array.from(columns), m, length, {
            rowStride: length + i,
            offset: 3 * i,
          });
          start += length;
        }
        expect(await run("quantize-rows", { c, parts }, { rows: m, args, grid }), `${parts}`).toEqual(joined);
      }
    });

    it("adaln and adaln-quantize", async () => {
      const [shift, scale] = [randomFloats(2, c), randomFloats(3, c)];
      const inputs = { x: xArg, shift: vector(shift), scale: vector(scale) };
      const expected = rows((row) => {
        const { mean, factor } = moments(row);
        return [...row].map((v, i) => (v - mean) * factor * (1 + scale[i]!) + shift[i]!);
      }).flat();
      const request = { rows: m, args: { ...inputs, out: output(m, c, { rowStride: c + 2 }) }, grid };
      const { out } = await run("adaln", { c, epsilon: EPSILON }, request);
      expectClose(out, expected, c, { absolute: 1e-5, relative: 1e-5 });
      const args = { ...inputs, q: output(m, kPad), rowScale: output(m, 1), rowSum: output(m, 1) };
      const { q, rowScale, rowSum } = await run(
        "adaln-quantize",
        { c, epsilon: EPSILON },
        { rows: m, args, grid },
      );
      const adaln = Float32Array.from(out!);
      for (let r = 0; r < m; r++) {
        const codes = new Int8Array(kPad);
        const row = quantizeRow(adaln.subarray(r * c, (r + 1) * c), codes);
        expect(Math.abs(rowScale![r]! / row.scale - 1)).toBeLessThan(1e-6);
        expect(rowSum![r]).toBe([...q!.slice(r * kPad, (r + 1) * kPad)].reduce(add, 0));
        // A product at a rounding boundary may fall to either side.
        expectClose(q!.slice(r * kPad, (r + 1) * kPad), codes, kPad, { absolute: 1 });
        const differing = codes.filter((code, i) => code !== q![r * kPad + i]).length;
        expect(differing).toBeLessThanOrEqual(1 + c / 100);
      }
    });

    it.each([
      { scale: false, bias: false },
      { scale: true, bias: true },
    ])("layer-norm, scale $scale, bias $bias", async ({ scale, bias }) => {
      const [gains, offsets] = [randomFloats(4, c), randomFloats(5, c)];
      const expected = rows((row) => {
        const { mean, factor } = moments(row);
        return [...row].map((v, i) => {
          const y = (v - mean) * factor * (scale ? gains[i]! : 1);
          return y + (bias ? offsets[i]! : 0);
        });
      }).flat();
      const args = {
        x: xArg,
        ...(scale ? { scale: vector(gains) } : {}),
        ...(bias ? { bias: vector(offsets) } : {}),
        out: output(m, c),
      };
      const { out } = await run("layer-norm", { c, epsilon: EPSILON, scale, bias }, { rows: m, args, grid });
      expectClose(out, expected, c, { absolute: 1e-5, relative: 1e-5 });
    });

    it.each([false, true])("softmax, logarithm %s", async (log) => {
      const expected = rows((row) => {
        const peak = Math.max(...row);
        const total = row.reduce((sum, v) => sum + Math.exp(v - peak), 0);
        return [...row].map((v) => (log ? v - peak - Math.log(total) : Math.exp(v - peak) / total));
      }).flat();
      const { out } = await run(
        "softmax",
        { log },
        { rows: m, args: { x: xArg, out: output(m, c) }, scalars: [c], grid },
      );
      expectClose(out, expected, c, { absolute: 1e-6, relative: 1e-5 });
    });

    it("reduce, every function", async () => {
      for (const [fn, reference] of Object.entries(REDUCTIONS)) {
        const source = POSITIVE.has(fn) ? x.map(Math.abs) : fn === "prod" ? x.map((v) => 1 + v / 100) : x;
        const expected = Array.from({ length: m }, (_, r) =>
          reference([...source.subarray(r * c, (r + 1) * c)]),
        );
        const { out } = await run(
          "reduce",
          { fn: fn as ReduceFn },
          {
            rows: m,
            args: { x: matrix(source, m, c, { rowStride: c + 3, offset: 5 }), out: output(m, 1) },
            scalars: [c],
            grid,
          },
        );
        expectClose(out, expected, 1, { absolute: 1e-4, relative: 1e-5 });
      }
    });

    it("gather", async () => {
      const indices = randomInts(9, m, -7, 6);
      const table = randomFloats(6, 7 * c);
      const gathered = Array.from(indices, (i) => [
        ...table.subarray(((i + 7) % 7) * c).subarray(0, c),
      ]).flat();
      const request = {
        rows: m,
        args: { table: matrix(table, 7, c), indices: matrix(indices, m, 1), out: output(m, c) },
        scalars: [7],
        grid,
      };
      expectClose((await run("gather", { c }, request)).out, gathered, c);
    });
  });

  it.each([
    { heads: 3, headDim: 16, norm: true, weight: true, rope: true },
    { heads: 5, headDim: 6, norm: false, weight: false, rope: true },
    { heads: 1, headDim: 133, norm: true, weight: true, rope: false },
    { heads: 2, headDim: 128, norm: true, weight: false, rope: true },
  ])("qk-norm-rope: $heads x $headDim, norm $norm, weight $weight, rope $rope", async (shape) => {
    const { heads, headDim, norm, weight, rope } = shape;
    const [m, c, half] = [4, heads * headDim, headDim / 2];
    const x = randomFloats(1, m * c);
    const gains = randomFloats(2, headDim);
    const angles = randomFloats(3, m * Math.ceil(half), 3);
    const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
    const expected = new Float64Array(m * c);
    for (let r = 0; r < m; r++) {
      for (let h = 0; h < heads; h++) {
        const at = r * c + h * headDim;
        const head = [...x.subarray(at, at + headDim)];
        const squares = head.reduce((sum, v) => sum + v * v, 0) / headDim;
        const factor = norm ? 1 / Math.sqrt(squares + EPSILON) : 1;
        const y = head.map((v, i) => v * factor * (weight ? gains[i]! : 1));
        for (let i = 0; i < headDim; i++) {
          const j = r * half + (i >> 1);
          if (!rope) expected[at + i] = y[i]!;
          else if (i % 2 === 0) expected[at + i] = y[i]! * cos[j]! - y[i + 1]! * sin[j]!;
          else expected[at + i] = y[i]! * cos[j]! + y[i - 1]! * sin[j]!;
        }
      }
    }
    const args = {
      x: matrix(x, m, c, { rowStride: c + 1, offset: 3 }),
      ...(weight ? { weight: vector(gains) } : {}),
      ...(rope ? { cos: matrix(cos, m, half), sin: matrix(sin, m, half) } : {}),
      out: output(m, c),
    };
    const { out } = await run(
      "qk-norm-rope",
      { ...shape, epsilon: EPSILON },
      { rows: m, args, grid: [1, m, 1] },
    );
    expectClose(out, expected, c, { absolute: 1e-5, relative: 1e-5 });
  });

  it.each([false, true])("rope-table, given frequencies %s", async (given) => {
    const [m, axesDims, theta] = [6, [4, 6, 6], 10_000] as const;
    const ids = Float32Array.from(randomInts(4, m * 3, 0, 300));
    const frequencies = given ? Array.from(randomFloats(5, 8), (v) => (0.01 + Math.abs(v)) / 8) : null;
    const starts = [0, 2, 5] as const;
    const angles = Array.from({ length: m }, (_, r) =>
      axesDims.flatMap((dim, axis) =>
        Array.from(
          { length: dim / 2 },
          (_, j) =>
            ids[r * 3 + axis]! * (frequencies?.[(starts[axis] ?? 0) + j] ?? theta ** ((-2 * j) / dim)),
        ),
      ),
    ).flat();
    const { cos, sin } = await run(
      "rope-table",
      { axesDims, theta, frequencies },
      { rows: m, args: { ids: matrix(ids, m, 3), cos: output(m, 8), sin: output(m, 8) }, grid: [1, m, 1] },
    );
    expectClose(cos, angles.map(Math.cos), 8, { absolute: 4e-5 });
    expectClose(sin, angles.map(Math.sin), 8, { absolute: 4e-5 });
  });

  it.each([
    [true, false],
    [false, false],
    [true, true],
  ])("timestep-embedding, sine first %s, given frequencies %s", async (sinFirst, given) => {
    const [m, dim, factor, maxPeriod, shift] = [3, 38, 1000, 10_000, 0.5] as const;
    const t = Float32Array.of(1, 0.37, 0.004);
    const frequencies = given ? Array.from(randomFloats(6, dim / 2), (v) => 0.01 + Math.abs(v)) : null;
    const expected = Array.from(t, (time) => {
      const angles = Array.from(
        { length: dim / 2 },
        (_, j) =>
          factor * time * (frequencies?.[j] ?? Math.exp((-Math.log(maxPeriod) * j) / (dim / 2 - shift))),
      );
      const halves = [angles.map(Math.cos), angles.map(Math.sin)];
      return (sinFirst ? halves.reverse() : halves).flat();
    }).flat();
    const { out } = await run(
      "timestep-embedding",
      { dim, factor, maxPeriod, shift, sinFirst, frequencies },
      { rows: m, args: { t: matrix(t, m, 1), out: output(m, dim) }, grid: [1, m, 1] },
    );
    expectClose(out, expected, dim, { absolute: 1e-4 });
  });
}

function moments(row: Float32Array): { readonly mean: number; readonly factor: number } {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length;
  return { mean, factor: 1 / Math.sqrt(variance + EPSILON) };
}

const add = (a: number, b: number): number => a + b;
const REDUCTIONS: Readonly<Record<ReduceFn, (row: readonly number[]) => number>> = {
  sum: (row) => row.reduce(add, 0),
  mean: (row) => row.reduce(add, 0) / row.length,
  max: (row) => Math.max(...row),
  min: (row) => Math.min(...row),
  prod: (row) => row.reduce((a, b) => a * b, 1),
  l1: (row) => row.map(Math.abs).reduce(add, 0),
  l2: (row) => Math.sqrt(row.map((v) => v * v).reduce(add, 0)),
  "log-sum": (row) => Math.log(row.reduce(add, 0)),
  "log-sum-exp": (row) => Math.log(row.map(Math.exp).reduce(add, 0)),
  "sum-square": (row) => row.map((v) => v * v).reduce(add, 0),
};
/** Reductions that take a logarithm of the sum. */
const POSITIVE: ReadonlySet<string> = new Set(["log-sum"]);
