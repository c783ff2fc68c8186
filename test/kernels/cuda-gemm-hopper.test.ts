import { describe, expect, it } from "vitest";
import { defineCuda } from "../../templates/cuda/define.js";
import { defineKernel, deviceWeightWords, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { hopperTernaryGemm } from "../../templates/ternary-gemm/hopper.js";
import {
  type TernaryActivations,
  type TernaryGemmParams,
  ternaryGemmSignature,
} from "../../templates/ternary-gemm/params.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "../support/bfloat.js";
import { expectClose, type Tolerance } from "../support/compare.js";
import { activate, packTrits, product } from "../support/gemm.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";

const hopper = cudaDevices("sm_90a");
const { target } = hopper;
const devices = () => Object.values(hopper.devices());

/** Around tiles of 256 channels by 128 tokens, panels of 64 channels, blocks of 128 k and a ring of 6 or 3 stages. */
const SHAPES = [
  { m: 4, n: 3, k: 5 },
  { m: 1, n: 64, k: 128 },
  { m: 130, n: 65, k: 33 },
  { m: 129, n: 200, k: 700 },
  { m: 257, n: 272, k: 130 },
  { m: 65, n: 129, k: 1300 },
] as const;

/** More tiles than blocks, in the last group of tokens fewer than together; the ring wraps within and between tiles. */
const MANY_TILES = { m: 1160, n: 264, k: 132 } as const;

const plain = { activation: "none", bias: false, gated: false } as const;

function defined(params: TernaryGemmParams): KernelDefinition {
  return defineCuda("ternary-gemm", params, ternaryGemmSignature(params), target, hopperTernaryGemm(params));
}

async function ternaryWeights(n: number, k: number, activations: TernaryActivations) {
  const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
  const layout = { n, k, activations };
  const { weights } = await runLaunch(devices()[0]!, defineKernel("unpack-trits", layout, target), {
    rows: n,
    args: {
      trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
      weights: output(1, deviceWeightWords("ternary-gemm", layout, target)),
    },
    grid: [n, 1, 1],
  });
  return { codes, weights: vector(weights!) };
}

/** Random int8 rows in the padded form of quantize-rows, with row sums; extreme codes in the first one. */
function quantizedRows(seed: number, m: number, k: number) {
  const kPad = Math.ceil(k / 16) * 16;
  const codes = randomInts(seed, m * k, -127, 127);
  const q = new Int8Array(m * kPad);
  const rowSum = new Int32Array(m);
  for (let r = 0; r < m; r++) {
    for (let i = 0; i < k; i++) {
      const code = r === 0 ? 127 : codes[r * k + i]!;
      q[r * kPad + i] = code;
      rowSum[r]! += code;
    }
  }
  return { q, kPad, rowSum };
}

/** Every device, and all of them to the bit the same. */
async function expectOut(
  params: TernaryGemmParams,
  request: LaunchRequest,
  expected: ArrayLike<number>,
  tolerance?: Tolerance,
): Promise<void> {
  let before: Data | undefined;
  for (const device of devices()) {
    const { out } = await runLaunch(device, defined(params), request);
    const values = params.out === "bf16" ? bfloatValues(out!) : out;
    expectClose(values, expected, params.n, tolerance);
    if (before !== undefined) expect(out).toEqual(before);
    before = out;
  }
}

describe("int8 rows", () => {
  async function exact({ m, n, k }: { m: number; n: number; k: number }, padding: number): Promise<void> {
    const { codes, weights } = await ternaryWeights(n, k, "i8");
    const { q, kPad, rowSum } = quantizedRows(1, m, k);
    const params = { ...plain, n, k, activations: "i8" } as const;
    const request = {
      rows: m,
      args: {
        q: matrix(q, m, kPad, { rowStride: kPad + 16, offset: 16 }),
        rowScale: matrix(new Float32Array(m).fill(1), m, 1),
        rowSum: matrix(rowSum, m, 1, { offset: 4 }),
        weights,
        scales: vector(new Float32Array(n).fill(1)),
        out: output(m, n, { rowStride: n + padding, offset: 8 }),
      },
      grid: [n, m, 1],
    } as const;
    await expectOut(params, request, product(q, codes, m, n, k, kPad));
  }

  it.each(SHAPES)("accumulates exactly: $m x $n x $k", (shape) => exact(shape, 3));
  it.each(SHAPES)("accumulates exactly into aligned rows: $m x $n x $k", (shape) =>
    exact(shape, (4 - (shape.n % 4)) % 4),
  );
  it("accumulates exactly in many tiles", () => exact(MANY_TILES, 0));

  it.each([
    { activation: "none", out: "f32", gated: true, padding: 0, gateRows: false },
    { activation: "silu", out: "bf16", gated: true, padding: 1, gateRows: true },
    { activation: "gelu-tanh", out: "bf16", gated: false, padding: 0, gateRows: false },
    { activation: "gelu-erf", out: "f32", gated: false, padding: 0, gateRows: false },
    { activation: "gelu-tanh", out: "bf16", gated: false, padding: 3, gateRows: false },
    { activation: "none", out: "bf16", gated: true, padding: 4, gateRows: true },
  ] as const)(
    "applies scale, bias, $activation, gate $gated to $out rows with padding $padding",
    async (options) => {
      const [m, n, k] = [150, 328, 150];
      const { codes, weights } = await ternaryWeights(n, k, "i8");
      const { q, kPad, rowSum } = quantizedRows(2, m, k);
      const [rowScale, scales] = [randomFloats(3, m, 0.02), randomFloats(4, n, 0.2)];
      const [bias, residual] = [randomFloats(5, n), randomFloats(6, m * n)];
      const gate = options.gateRows ? randomFloats(7, m * n) : randomFloats(7, n);
      const expected = product(q, codes, m, n, k, kPad).map((sum, i) => {
        const [r, o] = [Math.floor(i / n), i % n];
        const y = activate(sum * rowScale[r]! * scales[o]! + bias[o]!, options.activation);
        return options.gated ? residual[i]! + gate[options.gateRows ? i : o]! * y : y;
      });
      const { activation, gated, out } = options;
      const params = { n, k, activations: "i8", activation, bias: true, gated, out } as const;
      const request = {
        rows: m,
        args: {
          q: matrix(q, m, kPad),
          rowScale: matrix(rowScale, m, 1, { rowStride: 2 }),
          rowSum: matrix(rowSum, m, 1),
          weights,
          scales: vector(scales),
          bias: { ...matrix(bias, 1, n, { offset: 3 }), launchStride: 0 },
          gate: options.gateRows ? matrix(gate, m, n, { rowStride: n + options.padding }) : vector(gate),
          residual: matrix(residual, m, n, { rowStride: n + options.padding }),
          out: output(m, n, { rowStride: n + options.padding }),
        },
        grid: [n, m, 1],
      } as const;
      const rounding = options.out === "bf16" ? 2 ** -8 : 2e-6;
      await expectOut(params, request, expected, { absolute: 2e-5, relative: rounding });
    },
  );

  it.each([
    { m: 70, n: 384, headDim: 128, columns: 256, out: "bf16" },
    { m: 131, n: 96, headDim: 16, columns: 64, out: "f32" },
    { m: 5, n: 48, headDim: 8, columns: 48, out: "f32" },
  ] as const)(
    "normalizes and rotates heads of $headDim: $m x $n",
    async ({ m, n, headDim, columns, out }) => {
      const [k, epsilon] = [70, 1e-6];
      const { codes, weights } = await ternaryWeights(n, k, "i8");
      const { q, kPad, rowSum } = quantizedRows(8, m, k);
      const [rowScale, scales, bias] = [
        randomFloats(9, m, 0.02),
        randomFloats(10, n, 0.2),
        randomFloats(11, n),
      ];
      const headWeights = randomFloats(12, 2 * headDim);
      const [cos, sin] = [randomFloats(13, (m * headDim) / 2), randomFloats(14, (m * headDim) / 2)];
      const y = product(q, codes, m, n, k, kPad).map((sum, i) => {
        const [r, o] = [Math.floor(i / n), i % n];
        return sum * rowScale[r]! * scales[o]! + bias[o]!;
      });
      const expected = y.slice();
      for (let r = 0; r < m; r++) {
        for (let first = 0; first < columns; first += headDim) {
          const head = y.subarray(r * n + first, r * n + first + headDim);
          const factor = 1 / Math.sqrt(head.reduce((sum, x) => sum + x * x, 0) / headDim + epsilon);
          const weight = headWeights.subarray(first < columns / 2 ? 0 : headDim);
          for (let j = 0; j < headDim; j += 2) {
            const [x0, x1] = [head[j]! * factor * weight[j]!, head[j + 1]! * factor * weight[j + 1]!];
            const [c, s] = [cos[(r * headDim + j) / 2]!, sin[(r * headDim + j) / 2]!];
            expected[r * n + first + j] = x0 * c - x1 * s;
            expected[r * n + first + j + 1] = x1 * c + x0 * s;
          }
        }
      }
      const heads = { headDim, columns, epsilon };
      const params = { ...plain, n, k, activations: "i8", bias: true, out, heads } as const;
      const request = {
        rows: m,
        args: {
          q: matrix(q, m, kPad),
          rowScale: matrix(rowScale, m, 1),
          rowSum: matrix(rowSum, m, 1),
          weights,
          scales: vector(scales),
          bias: vector(bias),
          headWeights: vector(headWeights),
          cos: matrix(cos, m, headDim / 2, { rowStride: headDim / 2 + 1 }),
          sin: matrix(sin, m, headDim / 2),
          out: output(m, n),
        },
        grid: [n, m, 1],
      } as const;
      await expectOut(params, request, expected, {
        absolute: 1e-4,
        relative: out === "bf16" ? 2 ** -8 : 1e-5,
      });
    },
  );
});

describe("bf16 rows", () => {
  async function close({ m, n, k }: { m: number; n: number; k: number }, offset: number, padding: number) {
    const { codes, weights } = await ternaryWeights(n, k, "bf16");
    const x = bfloatRounded(randomFloats(20, m * k));
    const scales = randomFloats(21, n, 0.2);
    const expected = product(x, codes, m, n, k, k).map((sum, i) => sum * scales[i % n]!);
    const request = {
      rows: m,
      args: {
        x: matrix(bfloatBytes(x), m, k, { rowStride: k + padding, offset }),
        weights,
        scales: vector(scales),
        out: output(m, n),
      },
      grid: [n, m, 1],
    } as const;
    await expectOut({ ...plain, n, k, activations: "bf16" }, request, expected, {
      absolute: 1e-5 * Math.sqrt(k),
      relative: 1e-5,
    });
  }

  it.each(SHAPES)("multiplies aligned rows: $m x $n x $k", (shape) =>
    close(shape, 16, 8 + ((8 - (shape.k % 8)) % 8)),
  );
  it.each(SHAPES)("multiplies rows of any alignment: $m x $n x $k", (shape) =>
    close(shape, 7, shape.k % 2 === 0 ? 3 : 2),
  );
  it("multiplies in many tiles", () => close({ ...MANY_TILES, m: 390 }, 8, 4));
});

describe("the source", () => {
  it("multiplies 8-bit integers by wgmma with the weights in registers", () => {
    const { template, values } = defined({ ...plain, n: 3072, k: 3072, activations: "i8" });
    expect(renderTemplate(template, values)).toContain("wgmma_m64n128k32_u8s8(sums[0], a[step % 2][0]");
  });

  it("leaves to others what it cannot do", () => {
    expect(hopperTernaryGemm({ ...plain, n: 64, k: 64, activations: "f32" })).toEqual([]);
    const heads = { headDim: 24, columns: 48, epsilon: 1e-6 };
    expect(hopperTernaryGemm({ ...plain, n: 72, k: 64, activations: "i8", heads })).toEqual([]);
  });
});
