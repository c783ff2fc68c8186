import { describe, expect, it } from "vitest";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import { defineKernel, type Family, type FamilyParams } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "../support/bfloat.js";
import { expectClose } from "../support/compare.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";
import { rowSuite } from "../support/row-suite.js";

const kernelDevices = cudaDevices("sm_86");
const EPSILON = 1e-6;

rowSuite(kernelDevices);

/** In a shuffled order of threads; no kernel of these families differs between architectures. */
async function run<F extends Family>(
  family: F,
  params: FamilyParams[F],
  request: Omit<LaunchRequest, "grid">,
): Promise<Readonly<Record<string, Data>>> {
  const device = kernelDevices.devices().shuffled;
  const definition = defineKernel(family, params, kernelDevices.target);
  return runLaunch(device!, definition, { ...request, grid: [1, request.rows, 1] });
}

const quantized = (m: number, c: number) => {
  const padded = Math.ceil(c / 16) * 16;
  return {
    q: output(m, padded, { rowStride: padded + 16 }),
    rowScale: output(m, 1, { rowStride: 2 }),
    rowSum: output(m, 1),
  };
};

/** What quantizeRow makes of each row, as a launch returns it. */
function expectQuantized(
  actual: Readonly<Record<string, Data>>,
  x: Float32Array,
  m: number,
  c: number,
): void {
  const padded = Math.ceil(c / 16) * 16;
  const codes = new Int8Array(m * padded);
  for (let r = 0; r < m; r++) {
    const row = quantizeRow(x.subarray(r * c, (r + 1) * c), codes.subarray(r * padded, r * padded + c));
    expect(actual.rowScale![r], `scale of row ${r}`).toBe(row.scale);
    // A row with a NaN or an infinity has no sum; its codes are 0.
    expect(actual.rowSum![r], `sum of row ${r}`).toBe(Number.isFinite(row.sum) ? row.sum : 0);
  }
  expectClose(actual.q, codes, padded);
}

/** Random rows, and rows of zeros, of a tiny peak, of ties between codes, with an infinity and with a NaN. */
function difficultRows(m: number, c: number): Float32Array<ArrayBuffer> {
  const x = randomFloats(c + 1, m * c, 3);
  const rows = Array.from({ length: m }, (_, r) => x.subarray(r * c, (r + 1) * c));
  rows[1]?.fill(0);
  rows[2]?.fill(2 ** -101);
  rows[3]?.forEach((_, i, row) => {
    row[i] = i === 0 ? 127 : (i % 127) - 63.5;
  });
  rows[4]?.fill(Number.POSITIVE_INFINITY, c >> 1, (c >> 1) + 1);
  rows[5]?.fill(Number.NaN, c - 1);
  rows[6]?.fill(2 ** -100);
  return x;
}

describe("quantize-rows gives the reference's bits", () => {
  // Rows of a part of a warp, of a warp, of several, and rows too wide for registers; more rows than blocks at a time.
  const SIZES = [
    { m: 37, c: 1 },
    { m: 37, c: 3 },
    { m: 9, c: 33 },
    { m: 19, c: 64 },
    { m: 9, c: 127 },
    { m: 11, c: 128 },
    { m: 9, c: 1029 },
    { m: 71, c: 3072 },
    { m: 7, c: 17_001 },
  ] as const;
  it.each(SIZES)("$m x $c", async ({ m, c }) => {
    const x = difficultRows(m, c);
    const aligned = Math.ceil(c / 8) * 8;
    for (const place of [
      { rowStride: aligned, offset: 0 },
      { rowStride: c + 1, offset: 5 },
    ]) {
      const args = { x: matrix(x, m, c, place), ...quantized(m, c) };
      expectQuantized(await run("quantize-rows", { c }, { rows: m, args }), x, m, c);
      const halved = { ...args, x: matrix(bfloatBytes(x), m, c, place) };
      const fromHalf = await run("quantize-rows", { c, x: "bf16" }, { rows: m, args: halved });
      expectQuantized(fromHalf, bfloatRounded(x), m, c);
    }
  });

  it.each(["f32", "bf16"] as const)("rows in two matrices, %s", async (storage) => {
    const [m, parts, c] = [13, [3072, 12_288], 15_360] as const;
    const x = storage === "f32" ? randomFloats(2, m * c, 3) : bfloatRounded(randomFloats(2, m * c, 3));
    const part = (from: number, length: number, padding: number) => {
      const values = new Float32Array(m * length);
      for (let r = 0; r < m; r++) values.set(x.subarray(r * c + from, r * c + from + length), r * length);
      const place = { rowStride: length + padding, offset: padding };
      return matrix(storage === "f32" ? values : bfloatBytes(values), m, length, place);
    };
    for (const padding of [0, 8, 1]) {
      const args = { x0: part(0, parts[0], padding), x1: part(parts[0], parts[1], 0), ...quantized(m, c) };
      expectQuantized(await run("quantize-rows", { c, parts, x: storage }, { rows: m, args }), x, m, c);
    }
  });
});

describe("adaln", () => {
  const SIZES = [
    { m: 21, c: 1 },
    { m: 6, c: 33 },
    { m: 9, c: 127 },
    { m: 9, c: 128 },
    { m: 53, c: 3072 },
    { m: 2, c: 13_001 },
  ] as const;
  it.each(SIZES)(
    "of $m x $c: modulation per row or for all, bf16 results, fused quantization",
    async (size) => {
      const { m, c } = size;
      const x = randomFloats(1, m * c, 2).map((v) => v + 0.5);
      const [shift, scale] = [randomFloats(2, m * c), randomFloats(3, m * c)];
      const stride = { rowStride: Math.ceil(c / 4) * 4, offset: 4 };
      for (const perRow of [true, false]) {
        const inputs = {
          x: matrix(x, m, c, stride),
          shift: perRow ? matrix(shift, m, c, stride) : vector(shift.slice(0, c)),
          scale: perRow ? matrix(scale, m, c) : vector(scale.slice(0, c)),
        };
        const expected = normalized(x, m, c).map((v, i) => {
          const j = perRow ? i : i % c;
          return v * (1 + scale[j]!) + shift[j]!;
        });
        const params = { c, epsilon: EPSILON };
        const { out } = await run("adaln", params, {
          rows: m,
          args: { ...inputs, out: output(m, c, stride) },
        });
        expectClose(out, expected, c, { absolute: 5e-6, relative: 5e-6 });
        const half = await run(
          "adaln",
          { ...params, out: "bf16" },
          { rows: m, args: { ...inputs, out: output(m, c, { rowStride: stride.rowStride * 2, offset: 8 }) } },
        );
        expectClose(bfloatValues(half.out!), bfloatRounded(out!), c);
        const fused = await run("adaln-quantize", params, {
          rows: m,
          args: { ...inputs, ...quantized(m, c) },
        });
        expectQuantized(fused, Float32Array.from(out!), m, c);
      }
    },
  );
});

describe("wide rows", () => {
  const SIZES = [{ c: 1029 }, { c: 3072 }, { c: 17_003 }] as const;
  it.each(SIZES)("layer-norm and rms-norm of $c", async ({ c }) => {
    const m = 3;
    const x = randomFloats(5, m * c, 2);
    const [scale, bias] = [randomFloats(6, c), randomFloats(7, c)];
    const args = { x: matrix(x, m, c), scale: vector(scale), bias: vector(bias), out: output(m, c) };
    const { out } = await run(
      "layer-norm",
      { c, epsilon: EPSILON, scale: true, bias: true },
      { rows: m, args },
    );
    const layer = normalized(x, m, c).map((v, i) => v * scale[i % c]! + bias[i % c]!);
    expectClose(out, layer, c, { absolute: 5e-6, relative: 5e-6 });
    const rms = await run(
      "qk-norm-rope",
      { heads: 1, headDim: c, norm: true, epsilon: EPSILON, weight: true, rope: false },
      { rows: m, args: { x: args.x, weight: args.scale, out: args.out } },
    );
    const roots = Array.from({ length: m }, (_, r) => {
      const row = x.subarray(r * c, (r + 1) * c);
      return Math.sqrt(row.reduce((a, b) => a + b * b, 0) / c + EPSILON);
    });
    const root = Array.from(x, (v, i) => (v / roots[Math.floor(i / c)]!) * scale[i % c]!);
    expectClose(rms.out, root, c, { absolute: 2e-6, relative: 2e-6 });
  });

  it("softmax and reduce by a block per row", async () => {
    const [m, c] = [29, 2050];
    const x = randomFloats(16, m * c, 4);
    const row = (r: number) => Array.from(x.subarray(r * c, (r + 1) * c));
    const sums = Array.from({ length: m }, (_, r) => row(r).reduce((a, b) => a + Math.exp(b), 0));
    for (const place of [{ rowStride: 2052 }, { rowStride: 2051, offset: 1 }]) {
      const args = { x: matrix(x, m, c, place), out: output(m, c, place) };
      for (const log of [false, true]) {
        const { out } = await run("softmax", { log }, { rows: m, scalars: [c], args });
        const expected = Array.from(x, (v, i) => {
          const sum = sums[Math.floor(i / c)]!;
          return log ? v - Math.log(sum) : Math.exp(v) / sum;
        });
        expectClose(out, expected, c, { relative: 2e-6, absolute: log ? 2e-6 : 1e-9 });
      }
      const reduced = { rows: m, scalars: [c], args: { x: args.x, out: output(m, 1) } };
      const { out } = await run("reduce", { fn: "log-sum-exp" }, reduced);
      expectClose(out, sums.map(Math.log), 1, { relative: 1e-6 });
    }
  });
});

describe("qk-norm-rope on bf16", () => {
  it.each([
    { heads: 24, headDim: 128, norm: true, weight: true, rope: true },
    { heads: 3, headDim: 64, norm: true, weight: false, rope: true },
    { heads: 5, headDim: 20, norm: true, weight: true, rope: true },
    { heads: 1, headDim: 77, norm: true, weight: true, rope: false },
  ])("$heads heads of $headDim, weight $weight, rope $rope", async (shape) => {
    const { heads, headDim, weight, rope } = shape;
    const [m, c, half] = [5, heads * headDim, Math.ceil(headDim / 2)];
    const x = bfloatRounded(randomFloats(8, m * c, 2));
    const angles = randomFloats(10, m * half, 3);
    const tables = {
      ...(weight ? { weight: vector(randomFloats(9, headDim)) } : {}),
      ...(rope
        ? { cos: matrix(angles.map(Math.cos), m, half), sin: matrix(angles.map(Math.sin), m, half) }
        : {}),
    };
    const params = { ...shape, epsilon: EPSILON };
    const plain = { x: matrix(x, m, c), ...tables, out: output(m, c) };
    const { out } = await run("qk-norm-rope", params, { rows: m, args: plain });
    for (const place of [{}, { rowStride: c + 8, offset: 8 }, { rowStride: c + 3, offset: 1 }]) {
      const args = { ...tables, x: matrix(bfloatBytes(x), m, c, place), out: output(m, c, place) };
      const onHalves = await run("qk-norm-rope", { ...params, x: "bf16", out: "bf16" }, { rows: m, args });
      expectClose(bfloatValues(onHalves.out!), out!, c, { relative: 2 ** -8, absolute: 1e-6 });
      const widened = { ...tables, x: args.x, out: output(m, c) };
      const toFloats = await run("qk-norm-rope", { ...params, x: "bf16" }, { rows: m, args: widened });
      expectClose(toFloats.out, out!, c, { relative: 1e-6, absolute: 1e-6 });
    }
  });
});

describe("many rows", () => {
  const m = 70_003;
  it("gather, layer-norm and reduce", async () => {
    const c = 3;
    const table = randomFloats(14, 11 * c);
    const indices = randomInts(15, m, -11, 10);
    const args = { table: matrix(table, 11, c), indices: matrix(indices, m, 1), out: output(m, c) };
    const { out: x } = await run("gather", { c }, { rows: m, scalars: [11], args });
    const gathered = Float32Array.from({ length: m * c }, (_, i) => {
      return table[((indices[Math.floor(i / c)]! + 11) % 11) * c + (i % c)]!;
    });
    expectClose(x, gathered, c);
    const reduced = { x: matrix(x!, m, c), out: output(m, 1) };
    const { out } = await run("reduce", { fn: "max" }, { rows: m, scalars: [c], args: reduced });
    const largest = Array.from({ length: m }, (_, r) => Math.max(...gathered.subarray(r * c, (r + 1) * c)));
    expectClose(out, largest, 1);
  });
});

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
