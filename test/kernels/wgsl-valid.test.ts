import { beforeAll, describe, expect, it } from "vitest";
import {
  MATRIX_OPERANDS,
  MATRIX_SHAPES,
  SHADER_F16,
  SUBGROUP_LANES,
} from "../../ir/families/launch/features.js";
import { matrixNeeds, matrixSizes } from "../../ir/families/launch/matrix-tile.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { subgroupFeatures } from "../../runtime/webgpu/features.js";
import { webgpu } from "../../targets/index.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";

/** Dawn without a driver has every feature: it compiles nothing, but its compiler reads WGSL as it does elsewhere. */
let device: GPUDevice;
let instance: GPU;
beforeAll(async () => {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  instance = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await instance.requestAdapter();
  device = await adapter!.requestDevice({
    requiredFeatures: ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix" as GPUFeatureName],
  });
});

async function faultsOf({ template, values }: KernelDefinition): Promise<readonly string[]> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: renderTemplate(template, values) });
  const { messages } = await module.getCompilationInfo();
  const error = await device.popErrorScope();
  return [...messages.map(({ message, lineNum }) => `${lineNum}: ${message}`), error?.message ?? ""].filter(
    (text) => text !== "",
  );
}

const plain = { activation: "gelu-tanh", bias: true, gated: true } as const;

describe("WGSL for features that no software adapter of the tests has", () => {
  it.each([
    { n: 300, k: 514 },
    { n: 64, k: 64, group: 32 },
  ] as const)("is valid for f16 rows: %o", async (size) => {
    const { fallback, ...definition } = defineKernel(
      "ternary-gemm",
      { ...size, activations: "f16", ...plain },
      webgpu,
    );
    expect(definition.kernel.features).toContain(SHADER_F16);
    expect(await faultsOf({ ...definition, fallback })).toEqual([]);
    expect(await faultsOf(fallback!)).toEqual([]);
  });

  it.each(MATRIX_OPERANDS)(
    "is valid for matrices of every shape and size of subgroups: %s",
    async (operands) => {
      for (const [i, shape] of MATRIX_SHAPES.entries()) {
        const { m, n } = matrixSizes(shape);
        const blocks = (size: number) => (size === 8 ? 4 : 2);
        const config = {
          variant: "matrix",
          operands,
          shape,
          lanes: ([8, 16, 32, 64] as const)[i % 4] ?? 8,
          subgroupsX: 2,
          subgroupsY: 2,
          blocksM: blocks(m),
          blocksN: blocks(n),
          stage: 32,
        } as const;
        const params = { n: 300, k: 514, activations: operands, ...plain };
        const definition = defineKernel("ternary-gemm", params, webgpu, [], ({ device }) =>
          device.name === "GPU" ? config : undefined,
        );
        expect(definition.kernel.config).toEqual(config);
        expect(definition.kernel.features).toEqual(expect.arrayContaining([...matrixNeeds(config)]));
        expect(definition.fallback?.kernel.features).not.toContain(matrixNeeds(config)[0]);
        expect(await faultsOf(definition)).toEqual([]);
      }
    },
  );

  it("is chosen for no device that was not measured", () => {
    const params = { n: 300, k: 514, activations: "i8", ...plain } as const;
    for (
      let at: KernelDefinition | null = defineKernel("ternary-gemm", params, webgpu);
      at !== null;
      at = at.fallback
    )
      expect(at.kernel.config.variant).not.toBe("matrix");
  });
});

describe("a device without shader-f16", () => {
  it("refuses kernels of f16 rows, and says what to do", async () => {
    const plainDevice = await createNodeWebGpuDevice({ software: "always", without: [SHADER_F16] });
    const definition = defineKernel("ternary-gemm", { n: 8, k: 16, activations: "f16", ...plain }, webgpu);
    const zeros = (count: number) => vector(new Float32Array(count));
    const args = {
      ...{
        x: zeros(16),
        weights: vector(new Uint32Array(64)),
        scales: zeros(8),
        bias: zeros(8),
        gate: zeros(8),
      },
      ...{ residual: matrix(new Float32Array(8), 1, 8), out: output(1, 8) },
    };
    const run = runLaunch(plainDevice, definition, { rows: 1, args, grid: [8, 1, 1] });
    await expect(run).rejects.toThrow(/lacks a feature[\s\S]*shader-f16[\s\S]*--activations int8 or f32/);
    await plainDevice.close();
  });
});

describe("features of subgroups", () => {
  const product = (componentType: string, resultComponentType: string) => ({
    ...{ componentType, resultComponentType, M: 8, N: 16, K: 32 },
  });
  const subgroupMatrixConfigs = [product("i8", "i32"), product("u8", "u32"), product("f16", "f16")];

  it("are the one size that they have, and matrices whose sums kernels take", () => {
    const info = { subgroupMinSize: 32, subgroupMaxSize: 32, subgroupMatrixConfigs };
    const has = new Set(["subgroups", "chromium-experimental-subgroup-matrix"]);
    expect(subgroupFeatures(has, info)).toEqual(["subgroups-of-32", "subgroup-matrix-i8-8x16x32"]);
    expect(subgroupFeatures(has, { ...info, subgroupMinSize: 8 })).toEqual(["subgroup-matrix-i8-8x16x32"]);
    expect(subgroupFeatures(new Set(["subgroups"]), info)).toEqual(["subgroups-of-32"]);
    expect(subgroupFeatures(new Set(), info)).toEqual([]);
    expect(SUBGROUP_LANES).toContain(32);
  });
});
