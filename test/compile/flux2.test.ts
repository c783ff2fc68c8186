/** Small FLUX.2 transformers through compiler and cpu kernels, against the interpreter. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchAxesOf, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { tensorOf } from "../recognize/models.js";
import { fluxInputs } from "../support/flux-builder.js";
import { buildFlux2, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-flux2-"));
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 2 });
});
afterAll(async () => {
  await device.close();
  reader.close();
  rmSync(folder, { recursive: true });
});

describe.each(Object.entries(STYLES2))("FLUX.2: %s", (name, style) => {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, buildFlux2(style, TINY2));
  const model = importOnnx(file);
  const recognized = recognize(model, reader);
  const batchAxes = batchAxesOf(model, recognized);
  const sizes = style.tokens === null ? [TINY2] : [TINY2, { img: 35, txt: 18 }];
  const inputsOf = (tokens: { readonly img: number; readonly txt: number }) =>
    new Map(Object.entries(fluxInputs(style, TINY2, tokens)).map(([id, given]) => [id, tensorOf(given)]));

  it("computes the model without quantization", async () => {
    const options = { ternarize: "none", activations: "f32" } as const;
    const result = await compileGraph(recognized, reader, { target: cpu, options, sizes: {}, batchAxes });
    for (const tokens of sizes) {
      const inputs = inputsOf(tokens);
      const found = await runCompiled(result, reader, device, inputs);
      const wanted = interpret(model, inputs, { reader });
      expect(relativeError(found.get(style.output), wanted.get(style.output))).toBeLessThan(2e-5);
    }
  });

  it("computes the ternary int8 graph, the shared modulation once for all steps", async () => {
    const options = { ternarize: "exact", activations: "int8" } as const;
    const result = await compileGraph(recognized, reader, { target: cpu, options, sizes: {}, batchAxes });
    const { graph, lowered } = result;
    const labels = lowered.program.phases.flatMap(({ launches }) => launches.map(({ label }) => label));
    expect(labels.filter((label) => label.startsWith("modulation.")).length).toBeGreaterThan(0);
    expect(graph.nodes.filter(({ op }) => op === "swiglu")).toHaveLength(2 * TINY2.doubles + TINY2.singles);
    const ternary = graph.nodes.filter(({ op }) => op === "ternary-linear" || op === "ternary-qkv");
    const dense = graph.nodes.filter(({ op }) => op === "linear");
    expect(ternary.length).toBeGreaterThan(0);
    expect(dense.every(({ attrs }) => "role" in attrs && !/^(double|single)\./.test(attrs.role ?? ""))).toBe(
      true,
    );
    const step = lowered.program.phases.find((phase) => phase.name === "step");
    expect(step?.launches.filter(({ label }) => label.startsWith("modulation."))).toEqual([]);
    for (const tokens of sizes) {
      const inputs = inputsOf(tokens);
      const found = await runCompiled(result, reader, device, inputs);
      const wanted = interpret(graph, inputs, { reader });
      expect(relativeError(found.get(style.output), wanted.get(style.output))).toBeLessThan(1e-3);
    }
  });
});
