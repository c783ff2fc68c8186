import { describe, expect, it } from "vitest";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import { cpu } from "../../targets/index.js";
import { defineKernel, type Family, type FamilyParams } from "../../templates/index.js";
import { expectClose } from "../support/compare.js";
import { wasmDevices } from "../support/kernel-devices.js";
import {
  type Data,
  type LaunchRequest,
  type MatrixArg,
  matrix,
  output,
  runLaunch,
  vector,
} from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";

const { devices } = wasmDevices();

/** Runs a kernel on one thread and on two, which must agree to the bit. */
async function run<F extends Family>(
  family: F,
  params: FamilyParams[F],
  request: LaunchRequest,
): Promise<Readonly<Record<string, Data>>> {
  const definition = defineKernel(family, params, cpu);
  const results = await runLaunch(devices().one!, definition, request);
  expect(await runLaunch(devices().two!, definition, request)).toEqual(results);
  return results;
}

const SHAPES = [
  { m: 1, c: 4 },
  { m: 3, c: 3 },
  { m: 70, c: 65 },
  { m: 5, c: 256 },
  { m: 9, c: 1030 },
] as const;
const EPSILON = 1e-6;

function normalized(x: Float32Array, m: number, c: number): Float64Array {
  const y = new Float64Array(m * c);
  for (let r = 0; r < m; r++) {
    const row = x.subarray(r * c, (r + 1) * c);
    const mean = row.reduce((a, b) => a + b, 0) / c;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / c;
    row.forEach((v, i) => {
      y[r * c + i] = (v - mean) / Math.sqrt(variance + EPSILON);
    });
  }
  return y;
}

describe("quantize-rows", () => {
  it.each(SHAPES)("gives the reference's bits: $m x $c", async ({ m, c }) => {
    const x = randomFloats(1, m * c, 3);
    // A row of zeros and one below the smallest peak, where there are rows to spare.
    if (m > 2) {
      x.fill(0, c, 2 * c);
      x.fill(2 ** -110, 2 * c, 3 * c);
    }
    const kPad = Math.ceil(c / 16) * 16;
    const expected = new Int8Array(m * kPad);
    const scales = new Float32Array(m);
    const sums = new Int32Array(m);
    for (let r = 0; r < m; r++) {
      const row = quantizeRow(x.subarray(r * c, (r + 1) * c), expected.subarray(r * kPad, r * kPad + c));
      scales[r] = row.scale;
      sums[r] = row.sum;
    }
    const { q, rowScale, rowSum } = await run(
      "quantize-rows",
      { c },
      {
        rows: m,
        args: {
          x: matrix(x, m, c, { rowStride: c + 7, offset: 8 }),
          q: output(m, kPad, { rowStride: kPad + 16 }),
          rowScale: output(m, 1, { rowStride: 2 }),
          rowSum: output(m, 1),
        },
        grid: [1, m, 1],
      },
    );
    expectClose(q, expected, kPad);
    expectClose(rowScale, scales, 1);
    expectClose(rowSum, sums, 1);
  });
});

describe("quantize-rows of rows in several matrices", () => {
  it.each(SHAPES)("as of the joined row: $m x $c", async ({ m, c }) => {
    const x = randomFloats(3, m * c, 3);
    if (m > 2) x.fill(0, c, 2 * c);
    const kPad = Math.ceil(c / 16) * 16;
    const results = { q: output(m, kPad), rowScale: output(m, 1), rowSum: output(m, 1) };
    const grid = [1, m, 1] as const;
    const whole = { x: matrix(x, m, c), ...results };
    const joined = await run("quantize-rows", { c }, { rows: m, args: whole, grid });
    for (const parts of [[c], [1, c - 1], [Math.floor(c / 2), Math.ceil(c / 2) - 1, 1]]) {
      const args: Record<string, MatrixArg> = { ...results };
      let start = 0;
      for (const [i, length] of parts.entries()) {
        const part = new Float32Array(m * length);
        for (let r = 0; r < m; r++) part.set(x.subarray(r * c + start, r * c + start + length), r * length);
        args[`x${i}`] = matrix(part, m, length, { rowStride: length + i, offset: 3 * i });
        start += length;
      }
      expect(await run("quantize-rows", { c, parts }, { rows: m, args, grid }), `${parts}`).toEqual(joined);
    }
  });
});

describe("adaln", () => {
  it.each(SHAPES)("modulates normalized rows: $m x $c", async ({ m, c }) => {
    const x = randomFloats(2, m * c, 2).map((v) => v + 0.5);
    const shift = randomFloats(3, c);
    const scale = randomFloats(4, c);
    const expected = normalized(x, m, c).map((v, i) => v * (1 + scale[i % c]!) + shift[i % c]!);
    const inputs = { x: matrix(x, m, c, { rowStride: c + 3 }), shift: vector(shift), scale: vector(scale) };
    const grid = [1, m, 1] as const;
    const params = { c, epsilon: EPSILON };
    const { out } = await run("adaln", params, {
      rows: m,
      args: { ...inputs, out: output(m, c, { rowStride: c + 1 }) },
      grid,
    });
    expectClose(out, expected, c, { absolute: 4e-6, relative: 2e-6 });

    const kPad = Math.ceil(c / 16) * 16;
    const quantizedArgs = { q: output(m, kPad), rowScale: output(m, 1), rowSum: output(m, 1) };
    const fused = await run("adaln-quantize", params, {
      rows: m,
      args: { ...inputs, ...quantizedArgs },
      grid,
    });
    const apart = await run(
      "quantize-rows",
      { c },
      { rows: m, args: { x: matrix(out!, m, c), ...quantizedArgs }, grid },
    );
    expect(fused).toEqual(apart);
  });
});

describe("layer-norm", () => {
  it.each(SHAPES)("with and without affine: $m x $c", async ({ m, c }) => {
    const x = randomFloats(5, m * c, 2);
    const scale = randomFloats(6, c);
    const bias = randomFloats(7, c);
    for (const affine of [true, false]) {
      const expected = normalized(x, m, c).map((v, i) => (affine ? v * scale[i % c]! + bias[i % c]! : v));
      const { out } = await run(
        "layer-norm",
        { c, epsilon: EPSILON, scale: affine, bias: affine },
        {
          rows: m,
          args: {
            x: matrix(x, m, c),
            ...(affine ? { scale: vector(scale), bias: vector(bias) } : {}),
            out: output(m, c, { rowStride: c + 2 }),
          },
          grid: [1, m, 1],
        },
      );
      expectClose(out, expected, c, { absolute: 4e-6, relative: 2e-6 });
    }
  });
});

describe("qk-norm-rope", () => {
  const CASES = [
    { heads: 2, headDim: 128, norm: true, weight: true, rope: true },
    { heads: 3, headDim: 6, norm: true, weight: true, rope: true },
    { heads: 4, headDim: 20, norm: false, weight: false, rope: true },
    { heads: 1, headDim: 77, norm: true, weight: true, rope: false },
    { heads: 1, headDim: 3, norm: true, weight: false, rope: false },
  ] as const;
  it.each(CASES)("$heads heads of $headDim, norm $norm, rope $rope", async (params) => {
    const { heads, headDim, norm, weight, rope } = params;
    const m = 9;
    const c = heads * headDim;
    const half = headDim / 2;
    const x = randomFloats(8, m * c, 2);
    const w = randomFloats(9, headDim);
    const angles = randomFloats(10, m * Math.ceil(half), 3);
    const cos = angles.map(Math.cos);
    const sin = angles.map(Math.sin);
    const expected = new Float64Array(m * c);
    for (let at = 0; at < m * c; at += headDim) {
      const head = Float64Array.from(x.subarray(at, at + headDim));
      const square = head.reduce((a, b) => a + b * b, 0) / headDim;
      for (let i = 0; norm && i < headDim; i++) {
        head[i] = (head[i]! / Math.sqrt(square + EPSILON)) * (weight ? w[i]! : 1);
      }
      for (let j = 0; rope && j < half; j++) {
        const [a, b] = [head[2 * j]!, head[2 * j + 1]!];
        const t = Math.floor(at / c) * half + j;
        head[2 * j] = a * cos[t]! - b * sin[t]!;
        head[2 * j + 1] = b * cos[t]! + a * sin[t]!;
      }
      expected.set(head, at);
    }
    const { out } = await run(
      "qk-norm-rope",
      { ...params, epsilon: EPSILON },
      {
        rows: m,
        args: {
          x: matrix(x, m, c, { rowStride: c + 3 }),
          ...(weight ? { weight: vector(w) } : {}),
          ...(rope ? { cos: matrix(cos, m, half, { rowStride: half + 1 }), sin: matrix(sin, m, half) } : {}),
          out: output(m, c, { rowStride: c + 5 }),
        },
        grid: [1, m, 1],
      },
    );
    expectClose(out, expected, c, { absolute: 2e-6, relative: 2e-6 });
  });
});

describe("tables", () => {
  it.each([false, true])(
    "rope-table: angles of each axis side by side, given frequencies %s",
    async (given) => {
      const axesDims = [4, 6, 10];
      const m = 19;
      const ids = Float32Array.from(randomInts(11, m * 3, 0, 200));
      const half = 10;
      const frequencies = given ? Array.from(randomFloats(5, half), (v) => 0.01 + Math.abs(v)) : null;
      const angle = (t: number, column: number) => {
        const axis = column < 2 ? 0 : column < 5 ? 1 : 2;
        const j = column - [0, 2, 5][axis]!;
        return ids[t * 3 + axis]! * (frequencies?.[column] ?? 10000 ** ((-2 * j) / axesDims[axis]!));
      };
      const angles = Float64Array.from({ length: m * half }, (_, i) => angle(Math.floor(i / half), i % half));
      const { cos, sin } = await run(
        "rope-table",
        { axesDims, theta: 10000, frequencies },
        {
          rows: m,
          args: {
            ids: matrix(ids, m, 3),
            cos: output(m, half, { rowStride: half + 2 }),
            sin: output(m, half),
          },
          grid: [1, m, 1],
        },
      );
      expectClose(cos, angles.map(Math.cos), half, { absolute: 1e-7 });
      expectClose(sin, angles.map(Math.sin), half, { absolute: 1e-7 });
    },
  );

  it.each([
    [true, false],
    [false, false],
    [true, true],
  ])("timestep-embedding, sine first %s, given frequencies %s", async (sinFirst, given) => {
    const m = 5;
    const frequencies = given ? Array.from(randomFloats(6, 16), (v) => 0.01 + Math.abs(v)) : null;
    const dim = 32;
    const t = Float32Array.from([1, 0.9935795, 0.5, 0.0605503, 0.001]);
    const expected = Float64Array.from({ length: m * dim }, (_, i) => {
      const column = i % dim;
      const j = column % 16;
      // As exporters compute it: each step rounded to f32.
      const time = Math.fround(1000 * t[Math.floor(i / dim)]!);
      const a = Math.fround(time * Math.fround(frequencies?.[j] ?? Math.exp((-Math.log(10000) * j) / 16)));
      return column < 16 === sinFirst ? Math.sin(a) : Math.cos(a);
    });
    const { out } = await run(
      "timestep-embedding",
      { dim, factor: 1000, maxPeriod: 10000, shift: 0, sinFirst, frequencies },
      {
        rows: m,
        args: { t: matrix(t, m, 1), out: output(m, dim, { rowStride: dim + 3 }) },
        grid: [1, m, 1],
      },
    );
    expectClose(out, expected, dim, { absolute: 1e-7 });
  });
});

describe("gather", () => {
  it.each(SHAPES)("gathers: $m x $c", async ({ m, c }) => {
    const rows = 11;
    const table = randomFloats(14, rows * c);
    const indices = randomInts(15, m, -rows, rows - 1);
    const expected = Float32Array.from({ length: m * c }, (_, i) => {
      const index = indices[Math.floor(i / c)]!;
      return table[(index < 0 ? index + rows : index) * c + (i % c)]!;
    });
    const { out } = await run(
      "gather",
      { c },
      {
        rows: m,
        args: {
          table: matrix(table, rows, c, { rowStride: c + 2 }),
          indices: matrix(indices, m, 1),
          out: output(m, c),
        },
        scalars: [rows],
        grid: [1, m, 1],
      },
    );
    expectClose(out, expected, c);
  });
});

describe("softmax and reduce", () => {
  it.each(SHAPES)("$m x $c", async ({ m, c }) => {
    const x = randomFloats(16, m * c, 4);
    const rows = Array.from({ length: m }, (_, r) => Array.from(x.subarray(r * c, (r + 1) * c)));
    const args = { x: matrix(x, m, c, { rowStride: c + 1 }), out: output(m, c) };
    const launch = { rows: m, scalars: [c], grid: [1, m, 1] } as const;
    for (const log of [false, true]) {
      const expected = rows.flatMap((row) => {
        const sum = row.reduce((a, b) => a + Math.exp(b), 0);
        return row.map((v) => (log ? v - Math.log(sum) : Math.exp(v) / sum));
      });
      const { out } = await run("softmax", { log }, { ...launch, args });
      expectClose(out, expected, c, { relative: 1e-6, absolute: log ? 1e-6 : 1e-9 });
    }
    const sum = (row: readonly number[], f: (v: number) => number) => row.reduce((a, b) => a + f(b), 0);
    const same = (v: number) => v;
    const references: Readonly<Record<FamilyParams["reduce"]["fn"], (row: readonly number[]) => number>> = {
      sum: (row) => sum(row, same),
      mean: (row) => sum(row, same) / c,
      max: (row) => Math.max(...row),
      min: (row) => Math.min(...row),
      prod: (row) => row.reduce((a, b) => a * b, 1),
      l1: (row) => sum(row, Math.abs),
      l2: (row) => Math.sqrt(sum(row, (v) => v * v)),
      "log-sum": (row) => Math.log(sum(row, same)),
      "log-sum-exp": (row) => Math.log(sum(row, Math.exp)),
      "sum-square": (row) => sum(row, (v) => v * v),
    };
    for (const [fn, reference] of Object.entries(references)) {
      const { out } = await run(
        "reduce",
        { fn: fn as FamilyParams["reduce"]["fn"] },
        { ...launch, args: { x: args.x, out: output(m, 1) } },
      );
      expectClose(
        out,
        rows.map((row) => Math.fround(reference(row))),
        1,
        { relative: 1e-6 },
      );
    }
  });
});
