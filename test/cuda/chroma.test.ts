/** A small Chroma through the compiler and the CUDA runtime, on an emulated device. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { interpret } from "../../ir/interpret/index.js";
import { emulated } from "../support/emulated.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const { target, devices } = cudaDevices("sm_86", ["forward"]);
const CHROMA = join(import.meta.dirname, "../models/chroma");
const inputs = new Map(parseSafetensors(readFileSync(join(CHROMA, "inputs.safetensors"))));
inputs.set("attention_mask", { dtype: "f32", shape: [1, 7], data: Float32Array.of(1, 1, 1, 1, 0, 0, 0) });
const reader = fileReader();
afterAll(() => reader.close());

it.each([
  { ternarize: "none", activations: "f32", tolerance: 1e-5 },
  // Activations between the kernels are rounded to bf16, 2^-9 each time.
  { ternarize: "exact", activations: "int8", tolerance: 0.02 },
] as const)(
  "is the interpreter's: %o",
  async ({ tolerance, ...options }) => {
    const graph = recognize(importModel(join(CHROMA, "diffusers")), reader);
    const result = await emulated(
      await compileGraph(graph, reader, {
        target,
        options,
        sizes: { img_tokens: 12, txt_tokens: 7, steps: 4 },
        batchAxes: new Map(),
        codegen: { emit: "source" },
      }),
    );
    const [wanted] = interpret(result.graph, inputs, { reader }).values();
    for (const device of Object.values(devices())) {
      const [found] = (await runCompiled(result, reader, device, inputs)).values();
      expect(relativeError(found, wanted)).toBeLessThan(tolerance);
    }
  },
  300_000,
);
