/** Candidates that no choice of the other tests takes: each against sums in double precision. */
import { describe, expect, it } from "vitest";
import { webgpu } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { attentionCase } from "../support/attention.js";
import { expectOut } from "../support/expect-out.js";
import { denseCase, kernelOf, ternaryCase } from "../support/gemm-candidates.js";
import { wgslDevices } from "../support/kernel-devices.js";

const both = wgslDevices();
/** Kernels that are named, on the device that takes all. */
const wgsl = { ...both, devices: () => ({ hardware: both.devices().hardware! }) };
const device = () => both.devices().hardware!;
const tolerance = (k: number) => ({ absolute: 1e-5 * Math.sqrt(k), relative: 1e-5 });

/** 128 columns: as many as the weights have, and more than what is left of them. */
const WIDE = [
  { m: 9, n: 72, k: 33 },
  { m: 37, n: 130, k: 52 },
] as const;
const TILE = { threadsX: 16, threadsY: 4, blockM: 2, blockN: 8 } as const;

describe("tiles of 128 columns", () => {
  it.each(WIDE)("ternary: $m x $n x $k", async (size) => {
    for (const [activations, configs] of [
      [
        "i8",
        [
          { variant: "int8-packed", ...TILE, groups: 2 },
          { variant: "int8-plain", ...TILE, unrolled: false },
        ],
      ],
      [
        "f32",
        [
          { variant: "float-tiled", ...TILE },
          { variant: "float-direct", ...TILE, unrolled: false },
        ],
      ],
    ] as const) {
      for (const group of [undefined, 32] as const) {
        const { params, request, expected } = await ternaryCase(device(), size, {
          activations,
          ...(group === undefined ? {} : { group }),
        });
        for (const config of configs)
          await expectOut(
            wgsl,
            kernelOf("ternary-gemm", params, config),
            request,
            expected,
            tolerance(size.k),
          );
      }
    }
  });

  it.each(WIDE)("dense: $m x $n x $k", async (size) => {
    const { params, request, expected } = await denseCase(device(), size);
    for (const variant of ["tiled", "direct"] as const)
      await expectOut(
        wgsl,
        kernelOf("dense-gemm", params, { variant, ...TILE }),
        request,
        expected,
        tolerance(size.k),
      );
  });

  it("are none where the weights have fewer", () => {
    const params = {
      n: 64,
      k: 32,
      activations: "i8",
      activation: "none",
      bias: false,
      gated: false,
    } as const;
    const { choices } = defineKernel("ternary-gemm", params, webgpu, [64]);
    expect(choices[0]?.candidates.map(({ rejected }) => rejected)).toContain(
      "tiles of 128 columns, and the weights have 64",
    );
  });
});

/** k within a stage, behind one, in whole ones; few rows, and rows of the last tile that are none. */
const STAGED = [
  { m: 5, n: 9, k: 7 },
  { m: 9, n: 72, k: 52 },
  { m: 37, n: 130, k: 96 },
] as const;
const SMALL = { threadsX: 4, threadsY: 4, blockM: 2, blockN: 4 } as const;

describe("codes as floats in workgroup memory", () => {
  const configs = [
    { variant: "float-staged", ...SMALL, stage: 16, buffers: 1 },
    { variant: "float-staged", ...SMALL, threadsY: 8, stage: 32, buffers: 2 },
    { variant: "float-staged", ...TILE, stage: 16, buffers: 1 },
  ] as const;
  it.each(STAGED)("$m x $n x $k", async (size) => {
    for (const group of [undefined, 32] as const) {
      if (group !== undefined && size.k <= group) continue;
      const rows = { activations: "f32", ...(group === undefined ? {} : { group }) } as const;
      const made = [
        await ternaryCase(device(), size, rows),
        await ternaryCase(device(), size, rows, undefined, false),
      ] as const;
      for (const [i, config] of configs.entries()) {
        if (config.threadsX * config.blockN > Math.ceil(size.n / 64) * 64) continue;
        // Rows that begin where vectors do, and others.
        const { params, request, expected } = made[i === 1 ? 1 : 0];
        await expectOut(wgsl, kernelOf("ternary-gemm", params, config), request, expected, tolerance(size.k));
      }
    }
  });
});

describe("int8 rows in vectors", () => {
  const configs = [
    { variant: "int8-staged", ...SMALL, groups: 2, buffers: 1 },
    { variant: "int8-staged", ...TILE, groups: 4, buffers: 2 },
  ] as const;
  it.each(STAGED)("$m x $n x $k", async (size) => {
    for (const group of [undefined, 32] as const) {
      if (group !== undefined && size.k <= group) continue;
      const rows = { activations: "i8", ...(group === undefined ? {} : { group }) } as const;
      const { params, request, expected } = await ternaryCase(device(), size, rows);
      for (const config of configs) {
        if (config.threadsX * config.blockN > Math.ceil(size.n / 64) * 64) continue;
        const definition = kernelOf("ternary-gemm", params, config);
        await expectOut(wgsl, definition, request, expected, tolerance(size.k));
        // Rows that begin in the middle of a vector.
        const q = { ...request.args.q!, offset: 4, rowStride: request.args.q!.columns + 8 };
        await expectOut(
          wgsl,
          definition,
          { ...request, args: { ...request.args, q } },
          expected,
          tolerance(size.k),
        );
      }
    }
  });
});

describe("dense operands that are read ahead", () => {
  const configs = [
    { variant: "staged", ...SMALL, stage: 16, buffers: 1, operands: "f32" },
    { variant: "staged", ...SMALL, threadsY: 8, stage: 32, buffers: 2, operands: "f32" },
    { variant: "staged", ...TILE, stage: 16, buffers: 1, operands: "f32" },
  ] as const;
  it.each(STAGED)("$m x $n x $k", async (size) => {
    const made = [
      await denseCase(device(), size),
      await denseCase(device(), size, {}, undefined, false),
    ] as const;
    for (const [i, config] of configs.entries()) {
      if (config.threadsX * config.blockN > Math.ceil(size.n / 64) * 64) continue;
      const { params, request, expected } = made[i === 1 ? 1 : 0];
      await expectOut(wgsl, kernelOf("dense-gemm", params, config), request, expected, tolerance(size.k));
    }
  });

  it.each([
    ["bf16", { m: 5, n: 70, k: 44 }],
    ["int8", { m: 5, n: 70, k: 96 }],
    ["int4", { m: 5, n: 130, k: 64 }],
  ] as const)("of weights in %s", async (held, size) => {
    const { params, request, expected } = await denseCase(device(), size, { held });
    for (const config of [...configs, { variant: "tiled", ...TILE } as const])
      await expectOut(wgsl, kernelOf("dense-gemm", params, config), request, expected, tolerance(size.k));
  });

  it("stay f32 where nobody allows f16", () => {
    const params = { n: 64, k: 32, activation: "none", bias: false, gated: false } as const;
    const config = { ...configs[0], operands: "f16" } as const;
    expect(() => kernelOf("dense-gemm", params, config)).toThrow(/no kernel of/);
    const { choices } = defineKernel("dense-gemm", { ...params, products: "f16" }, webgpu, [64]);
    expect(choices[0]?.candidates.some(({ config: own }) => own.operands === "f16")).toBe(true);
  });
});

describe("attention of rows that are read in vectors", () => {
  it.each([
    { heads: 2, headDim: 64, rows: 17, keys: 67 },
    { heads: 4, headDim: 20, rows: 33, keys: 5, keyValueHeads: 2 },
    { heads: 1, headDim: 128, rows: 9, keys: 64 },
  ])("$heads heads of $headDim, $rows rows, $keys keys", async (size) => {
    for (const aligned of [true, false]) {
      const chunks =
        aligned && size.headDim > 32 ? { block: 4, valueChunks: 2 } : { block: 2, valueChunks: 1 };
      const config = { variant: "flash-vectors", ...chunks, operands: "f32" };
      const { params, request, expected } = attentionCase(size, aligned);
      await expectOut(wgsl, kernelOf("attention", params, config), request, expected, {
        absolute: 2e-5,
        relative: 1e-5,
      });
    }
  });

  it("is none of scores with a bias, a mask or an order", () => {
    const params = { heads: 2, headDim: 64, scale: 1, causal: true } as const;
    const { choices } = defineKernel("attention", params, webgpu, [64]);
    expect(choices[0]?.candidates.map(({ rejected }) => rejected)).toContain(
      "scores have a bias, a mask, or an order, and it takes none",
    );
  });
});
