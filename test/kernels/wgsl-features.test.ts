import { describe, expect, it } from "vitest";
import { roundToHalf } from "../../ir/constant/float16.js";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import {
  lanesFeature,
  type MatrixShape,
  matrixFeature,
  SHADER_F16,
  SUBGROUP_MATRIX,
} from "../../ir/families/launch/features.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { attentionCase, relativeError } from "../support/attention.js";
import { expectClose } from "../support/compare.js";
import { expectOut } from "../support/expect-out.js";
import { GEMM_SHAPES, product, storedCodes } from "../support/gemm.js";
import { denseCase, kernelOf } from "../support/gemm-candidates.js";
import { type Data, output, runLaunch } from "../support/launch.js";
import { randomFloats, randomInts } from "../support/random.js";
import { floatLaunch, int8Launch } from "../support/ternary-launch.js";
import { featureDevices } from "../support/wgsl-features.js";

const SHAPE: MatrixShape = "8x8x8";
const MATRICES = [matrixFeature("i8", SHAPE), matrixFeature("f16", SHAPE)];
const wgsl = featureDevices([SHADER_F16, SUBGROUP_MATRIX, lanesFeature(8), ...MATRICES]);

/** The device that takes all of these kernels. */
const hardware = { ...wgsl, devices: () => ({ hardware: wgsl.devices().hardware! }) };

type Layer = Pick<TernaryGemmParams, "n" | "k" | "activations">;

async function weightsOf({ n, k, activations }: Layer): Promise<{ codes: Int8Array; weights: Data }> {
  const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
  const layout = { n, k, activations };
  const { weights } = await runLaunch(
    Object.values(wgsl.devices())[0]!,
    defineKernel("unpack-trits", layout, wgsl.target),
    {
      rows: n,
      args: { trits: storedCodes(codes, n, k), weights: output(1, ternaryLayout(layout).words.wgsl) },
      grid: [n, 1, 1],
    },
  );
  return { codes, weights: weights! };
}

/** Sums of four products in f16, of which everything else is exact. */
function halfProduct(x: Float32Array, w: Int8Array, m: number, n: number, k: number): Float64Array {
  const rounded = x.map((value) => roundToHalf(Math.max(-16376, Math.min(16376, value))));
  const y = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let o = 0; o < n; o++) {
      let sum = 0;
      for (let i = 0; i < k; i += 4) {
        let four = 0;
        for (let j = i; j < Math.min(k, i + 4); j++)
          four = roundToHalf(four + rounded[r * k + j]! * w[o * k + j]!);
        sum += four;
      }
      y[r * n + o] = sum;
    }
  }
  return y;
}

function withMatrices(params: TernaryGemmParams, config: KernelConfig): KernelDefinition {
  return defineKernel("ternary-gemm", params, wgsl.target, [], ({ device }) =>
    device.name === "GPU" ? config : undefined,
  );
}

/** The first kernel of the chain is what runs, on every device. */
function alone(definition: KernelDefinition): KernelDefinition {
  return { ...definition, fallback: null };
}

/** Small: each rounding is many instructions where it is rewritten. */
const TILE = { threadsX: 4, threadsY: 4, blockM: 2, blockN: 4 } as const;
const float = { activations: "f16", activation: "silu", bias: true, gated: false } as const;

describe("ternary-gemm with f16 rows", () => {
  it.each([GEMM_SHAPES[0], GEMM_SHAPES[2], GEMM_SHAPES[4]])(
    "sums four products in f16 and all else in f32: $m x $n x $k",
    async ({ m, n, k }) => {
      const { codes, weights } = await weightsOf({ n, k, activations: "f16" });
      const x = randomFloats(7, m * k);
      // Too large for f16, alone and four of them together.
      x.fill(-3e5, 0, Math.min(k, 4));
      const { request, finished, tolerance } = floatLaunch({ m, n, k }, x, weights);
      const expected = halfProduct(x, codes, m, n, k).map(finished);
      for (const own of [
        { variant: "float-tiled", ...TILE },
        { variant: "float-staged", ...TILE, stage: 32, buffers: 2 },
      ]) {
        const definition = defineKernel("ternary-gemm", { n, k, ...float }, wgsl.target, [], ({ device }) =>
          device.name === "GPU" ? own : { variant: "float-direct", ...TILE, unrolled: false },
        );
        expect(definition.kernel.config).toEqual(own);
        expect(definition.kernel.features).toContain(SHADER_F16);
        expect(definition.fallback?.kernel.features).toEqual([SHADER_F16]);
        await expectOut(wgsl, definition, request, expected, tolerance);
      }
    },
  );
});

describe("dense-gemm with operands of f16", () => {
  it("has their products and sums in f32", async () => {
    const device = hardware.devices().hardware!;
    const size = { m: 5, n: 9, k: 39 };
    const bounded = (x: number) => roundToHalf(Math.max(-65504, Math.min(65504, x)));
    for (const buffers of [1, 2] as const) {
      const made = await denseCase(device, size, { products: "f16" }, bounded, buffers === 1);
      const own = { variant: "staged", ...TILE, stage: 16, buffers, operands: "f16" } as const;
      const definition = kernelOf("dense-gemm", made.params, own);
      expect(definition.kernel.features).toContain(SHADER_F16);
      const tolerance = { absolute: 1e-5 * Math.sqrt(size.k), relative: 1e-5 };
      await expectOut(hardware, definition, made.request, made.expected, tolerance);
    }
  });
});

describe("attention with operands of f16", () => {
  it.each([
    { heads: 2, headDim: 64, rows: 9, keys: 67 },
    { heads: 2, headDim: 20, rows: 5, keys: 33 },
  ])("is near that of f32: $heads heads of $headDim, $rows rows, $keys keys", async (size) => {
    const { params, request, expected } = attentionCase(size, true);
    const config = { variant: "flash-vectors", block: 1, valueChunks: 1, operands: "f16" } as const;
    const definition = kernelOf("attention", { ...params, products: "f16" }, config);
    expect(definition.kernel.features).toContain(SHADER_F16);
    const { out } = await runLaunch(hardware.devices().hardware!, definition, request);
    expectClose(out, expected, size.heads * size.headDim, { absolute: 2 ** -8 });
    // Operands of 11 bits, and eight roundings of as many.
    expect(relativeError(out!, expected)).toBeLessThan(2 ** -10);
  });
});

/** Small: rewritten for adapters without matrices, each invocation multiplies whole ones. */
const config = {
  variant: "matrix",
  shape: SHAPE,
  lanes: 8,
  subgroupsX: 2,
  subgroupsY: 1,
  blocksM: 1,
  blocksN: 1,
  stage: 32,
} as const;
const sizes = [GEMM_SHAPES[2]];

describe(`ternary-gemm with matrices of ${SHAPE}`, () => {
  it.each(sizes)("has exact sums of int8 rows: $m x $n x $k", async ({ m, n, k }) => {
    const { codes, weights } = await weightsOf({ n, k, activations: "i8" });
    const kPad = Math.ceil(k / 16) * 16;
    const q = new Int8Array(m * kPad);
    const rowSum = new Int32Array(m);
    const values = randomInts(m + k, m * k, -127, 127);
    for (let r = 0; r < m; r++) {
      for (let i = 0; i < k; i++) {
        q[r * kPad + i] = r === 0 ? 127 : values[r * k + i]!;
        rowSum[r]! += q[r * kPad + i]!;
      }
    }
    const params = { n, k, activations: "i8", activation: "none", bias: false, gated: false } as const;
    const definition = withMatrices(params, { ...config, operands: "i8" });
    expect(definition.kernel.config.variant).toBe("matrix");
    expect(definition.kernel.features).toEqual([
      SUBGROUP_MATRIX,
      matrixFeature("i8", SHAPE),
      lanesFeature(8),
    ]);
    expect(["int8-packed", "int8-staged"]).toContain(definition.fallback?.kernel.config.variant);
    const request = int8Launch({ m, n, k }, { q, kPad, rowSum }, weights);
    await expectOut(wgsl, alone(definition), request, product(q, codes, m, n, k, kPad));
  });

  it.each(sizes)("multiplies f16 rows with sums in f32: $m x $n x $k", async ({ m, n, k }) => {
    const { codes, weights } = await weightsOf({ n, k, activations: "f16" });
    const x = randomFloats(m + 3, m * k);
    const { request, finished, tolerance } = floatLaunch({ m, n, k }, x, weights);
    const expected = product(x.map(roundToHalf), codes, m, n, k, k).map(finished);
    const definition = withMatrices({ n, k, ...float }, { ...config, operands: "f16" });
    expect(definition.kernel.config.variant).toBe("matrix");
    await expectOut(wgsl, alone(definition), request, expected, tolerance);
  });
});
