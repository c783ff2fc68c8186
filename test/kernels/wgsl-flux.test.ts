import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Program, ProgramBuffer } from "../../ir/program/program.js";
import { webgpu } from "../../targets/index.js";
import { uniformArgs } from "../../targets/webgpu/abi.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
} from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { wgslDevices } from "../support/kernel-devices.js";

/** The ternary layers of FLUX.1 (hidden size 3072) after fusion. */
const LAYERS = [
  { n: 9216, k: 3072, activation: "none", gated: false },
  { n: 21504, k: 3072, activation: "none", gated: false },
  { n: 12288, k: 3072, activation: "gelu-tanh", gated: false },
  { n: 3072, k: 12288, activation: "none", gated: true },
  { n: 3072, k: 15360, activation: "none", gated: true },
] as const;

const { devices } = wgslDevices();

/** Compiles the kernel and its fallback on a device, whatever its features. */
async function compile(definition: KernelDefinition): Promise<void> {
  const versions = [definition, ...(definition.fallback === null ? [] : [definition.fallback])];
  for (const [i, { kernel, template, values }] of versions.entries()) {
    const { args, workgroup } = kernel;
    expect(args.length - uniformArgs(args).size).toBeLessThanOrEqual(webgpu.limits.maxStorageBuffers);
    expect(workgroup[0] * workgroup[1] * workgroup[2]).toBeLessThanOrEqual(256);
    const named: Kernel = { ...kernel, id: `kernel${i}`, features: [], fallback: null };
    const buffers = args.map(
      ({ name, dtype }): ProgramBuffer => ({ id: name, dtype, elements: 4, storage: { kind: "host" } }),
    );
    const program: Program = {
      target: "webgpu",
      symbols: [],
      buffers,
      kernels: [named],
      phases: phasesWith({
        load: [],
        prompt: [],
        step: [
          {
            kernel: named.id,
            rows: 1,
            args: args.map(({ name }) => ({ buffer: name, offset: 0, rowStride: 0, stepStride: 0 })),
            scalars: [],
            grid: [],
            label: kernel.family,
          },
        ],
        euler: [],
      }),
      inputs: [],
      outputs: [],
      model: null,
    };
    const code = { source: () => renderTemplate(template, values), binary: () => new Uint8Array() };
    const loaded = await devices().plain!.load(program, code, { bytes: async () => new Uint8Array() });
    await loaded.close();
  }
}

describe("FLUX-size kernels at the default limits", () => {
  it.each(LAYERS)("ternary $k → $n", async (layer) => {
    const words = ternaryLayout({ ...layer, activations: "i8" }).words.wgsl;
    expect(words).toBe((layer.n * layer.k) / 16);
    expect(words * 4).toBeLessThanOrEqual(webgpu.limits.maxBindingBytes);
    await compile(defineKernel("ternary-gemm", { ...layer, activations: "i8", bias: true }, webgpu));
  });

  it("ternary with f32 rows, 3072 → 9216", () =>
    compile(defineKernel("ternary-gemm", { ...LAYERS[0], activations: "f32", bias: true }, webgpu)));

  it.each([
    ["dense-gemm", { n: 64, k: 3072, activation: "none", bias: true, gated: false }],
    ["attention", { heads: 24, headDim: 128, scale: 128 ** -0.5 }],
    ["adaln-quantize", { c: 3072, epsilon: 1e-6 }],
    ["quantize-rows", { c: 15360 }],
    ["qk-norm-rope", { heads: 24, headDim: 128, norm: true, epsilon: 1e-6, weight: true, rope: true }],
    ["rope-table", { axesDims: [16, 56, 56], theta: 10_000, frequencies: null }],
    [
      "timestep-embedding",
      { dim: 256, factor: 1000, maxPeriod: 10_000, shift: 0, sinFirst: false, frequencies: null },
    ],
    ["unpack-trits", { n: 3072, k: 15360, activations: "i8" }],
  ] satisfies readonly { [F in Family]: readonly [F, FamilyParams[F]] }[Family][])("%s", (family, params) =>
    compile(defineKernel(family, params as FamilyParams[typeof family], webgpu)),
  );
});
