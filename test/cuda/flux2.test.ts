/** A small FLUX.2 through the compiler and the CUDA runtime, on an emulated device. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { batchAxesOf, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { interpret } from "../../ir/interpret/index.js";
import { tensorOf } from "../recognize/models.js";
import { emulated } from "../support/emulated.js";
import { fluxInputs } from "../support/flux-builder.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const { target, devices } = cudaDevices("sm_86", ["forward"]);
const reader = fileReader();
const folder = mkdtempSync(join(tmpdir(), "tritc-cuda-flux2-"));
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

const STYLE = STYLES2["dynamo opset 20"] as Flux2Style;
const SIZE = { ...TINY2, axes: [8, 8, 8, 8], mlp: 96, doubles: 1, singles: 1 };

it.each([
  { ternarize: "none", activations: "f32", tolerance: 1e-5 },
  // Activations between the kernels are rounded to bf16, 2^-9 each time.
  { ternarize: "exact", activations: "int8", tolerance: 0.02 },
] as const)(
  "is the interpreter's: %o",
  async ({ tolerance, ...options }) => {
    const file = join(folder, "model.onnx");
    writeFileSync(file, buildFlux2(STYLE, SIZE));
    const model = importOnnx(file);
    const graph = recognize(model, reader);
    const stages = {
      target,
      options,
      sizes: {},
      batchAxes: batchAxesOf(model, graph),
      codegen: { emit: "source" },
    } as const;
    const result = await emulated(await compileGraph(graph, reader, stages));
    // Gate and value leave one linear with queries, keys and values, in bf16 where the target stores rows so.
    expect(result.graph.nodes.filter(({ op }) => op === "swiglu")).toHaveLength(3);
    const given = fluxInputs(STYLE, SIZE, { img: 20, txt: 9 });
    const inputs = new Map(Object.entries(given).map(([id, tensor]) => [id, tensorOf(tensor)]));
    const [wanted] = interpret(result.graph, inputs, { reader }).values();
    for (const device of Object.values(devices())) {
      const [found] = (await runCompiled(result, reader, device, inputs)).values();
      expect(relativeError(found, wanted)).toBeLessThan(tolerance);
    }
  },
  300_000,
);
