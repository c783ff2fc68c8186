/** A double and a single block of FLUX.2 klein 4B's size, planned for browsers at their default limits. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { KLEIN_4B, kleinTensors, writeKleinFolder } from "../../benchmarks/synthesize/klein.js";
import { batchAxesOf, planGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { webgpu } from "../../targets/index.js";
import { expectToFit } from "../support/webgpu-limits.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-klein-size-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});
beforeAll(async () => {
  const sizes = { ...KLEIN_4B, doubleBlocks: 1, singleBlocks: 1 };
  await writeKleinFolder(folder, sizes, kleinTensors(sizes, 128), {
    form: "unpacked",
    seed: 0,
    sparse: true,
  });
});

it.each([512, 752, 768, 1024])("fits the default limits of WebGPU at side %i", (side) => {
  const model = importModel(folder);
  const recognized = recognize(model, reader);
  const sizes = { img_tokens: (side / 16) ** 2, txt_tokens: 512 };
  const { lowered } = planGraph(recognized, reader, {
    target: webgpu,
    options: { ternarize: "exact", activations: "int8", group: 128 },
    sizes,
    batchAxes: batchAxesOf(model, recognized),
  });
  expectToFit(lowered, { ...sizes, steps: 4 });
  verifyProgram(lowered.program);
  const kernels = new Map(lowered.program.kernels.map((kernel) => [kernel.id, kernel]));
  const products = lowered.program.phases
    .flatMap(({ launches }) => launches)
    .map(({ kernel }) => JSON.stringify(kernels.get(kernel)?.params))
    .filter((params) => params.includes("silu") && params.includes("mul"));
  expect(products).toHaveLength(3);
});
