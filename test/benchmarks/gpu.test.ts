/** The GPU benchmark's measurements on an emulated device: what they run is right, and wrong kernels are seen. */
import { describe, expect, it } from "vitest";
import { fluxGraph } from "../../benchmarks/flux-graph.js";
import { type GpuCase, linearCase } from "../../benchmarks/gpu/cases.js";
import { type CaseProgram, measureCase } from "../../benchmarks/gpu/measure-case.js";
import { measureModel } from "../../benchmarks/gpu/measure-model.js";
import { plannedTensors, planProgram } from "../../benchmarks/gpu/plan.js";
import { type GpuResult, resultTable } from "../../benchmarks/gpu/result.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { type Activations, targetByName } from "../../targets/index.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatedDriver, emulatorModule } from "../support/cuda-emulator.js";

const target = targetByName("a10");

async function compiled(graph: Graph, activations: Activations): Promise<CaseProgram> {
  const planned = planProgram(graph, target, activations);
  const binaries = new Map(
    await Promise.all(
      planned.lowered.kernels.map(async ({ kernel, definition }) => {
        const { template, values } = definition;
        return [kernel.id, await emulatorModule(renderTemplate(template, values))] as const;
      }),
    ),
  );
  const code = {
    binary: (id: string) => binaries.get(id) ?? new Uint8Array(),
    source: () => "",
  };
  return {
    graph: planned.graph,
    program: planned.lowered.program,
    code,
    tensors: plannedTensors(planned.lowered),
  };
}

async function emulated() {
  const { path } = await emulatedDriver("sm_86", "forward");
  return createNodeCudaDevice({ driver: path });
}

describe("a case", () => {
  it.each([
    ["int8", 4e-3],
    ["bf16", 1e-2],
  ] as const)(
    "with %s activations agrees with the interpreter on the rows that are checked",
    async (activations, tolerance) => {
      const gpuCase: GpuCase = linearCase(160, 256, activations);
      const program = await compiled(parseGraph(gpuCase.graph), activations);
      const device = await emulated();
      const result = await measureCase(device, program, gpuCase, { m: 70 }, 1);
      expect(result.error).toBeLessThan(tolerance);
      expect(result.teraops).toBeGreaterThan(0);
      // The weights of another case are other weights.
      const renamed = { ...program, tensors: program.tensors.map((t) => ({ ...t, id: `${t.id}.other` })) };
      const other = { ...gpuCase, graph: gpuCase.graph };
      await expect(measureCase(device, renamed, other, { m: 70 }, 0)).rejects.toThrow();
      await device.close();
    },
    120_000,
  );
});

describe("the model", () => {
  it("is sampled to finite latents, and its time goes by family", async () => {
    const graph = fluxGraph({
      doubleBlocks: 1,
      singleBlocks: 1,
      heads: 2,
      headDim: 32,
      contextDim: 24,
      pooledDim: 16,
      ropeAxes: [8, 12, 12],
    });
    const program = { name: "tiny", ...(await compiled(graph, "int8")) };
    const device = await emulated();
    const result = await measureModel(device, program, { width: 48, height: 32, textTokens: 5, steps: 3 });
    expect(result).toMatchObject({ name: "tiny", resolution: "48x32", steps: 3 });
    expect(result.deviceBytes).toBeGreaterThan(0);
    expect(Object.keys(result.families)).toEqual(
      expect.arrayContaining(["ternary-gemm", "attention", "adaln-quantize", "elementwise"]),
    );
    await device.close();
  }, 240_000);
});

it("prints ratios to what PyTorch took", () => {
  const result: GpuResult = {
    device: "NVIDIA H200",
    architecture: "9.0",
    driver: "13.0",
    date: "2026-01-02",
    tritc: "0.1.0",
    target: "h200",
    command: "run.sh",
    cases: [
      {
        name: "linear",
        sizes: { m: 4096 },
        milliseconds: 0.5,
        teraops: 464,
        error: 1e-7,
        peer: "linear 4096",
      },
      { name: "norm", sizes: { m: 4608 }, milliseconds: 0.1, teraops: 1, error: 0, peer: "" },
    ],
    models: [
      {
        name: "int8",
        resolution: "1024x1024",
        steps: 50,
        stepMilliseconds: 80,
        seconds: 4.1,
        deviceBytes: 3.6e9,
        families: {},
        loadSeconds: 1,
      },
    ],
    peers: {
      torch: "2.9",
      kernels: { "linear 4096": 1 },
      models: [{ name: "PyTorch bf16, eager", stepMilliseconds: 200, seconds: 10, deviceBytes: 25e9 }],
    },
  };
  const table = resultTable(result);
  expect(table).toContain("| linear | 4096 | 0.500 | 464 | 1.000 | 2.00x | 1.0e-7 |");
  expect(table).toContain("| norm | 4608 | 0.100 | 1 |  |  | 0.0e+0 |");
  expect(table).toContain("| tritc int8 | 80.0 | 4.10 | 3.60 |");
  expect(table).toContain("| PyTorch bf16, eager | 200.0 | 10.00 | 25.00 |");
});
