/** Adapters for FLUX.2 give what PyTorch gives with them; see `flux2/README`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recognize, withAdapters } from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { reader } from "../recognize/models.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError } from "../support/run-compiled.js";

const CASES = join(import.meta.dirname, "flux2");
const load = (...path: string[]) => parseSafetensors(readFileSync(join(CASES, ...path)));
const files = modelFiles();
const inputs = load("base", "in.safetensors");
const base = recognize(importModel(join(CASES, "base")), reader);

const evaluate = (graph: Graph): Tensor | undefined => [...interpret(graph, inputs, { reader }).values()][0];
const expected = (name: string) => load(name, "expected.safetensors").get("sample");

it("the model without an adapter", () => {
  expect(relativeError(evaluate(base), expected("base"))).toBeLessThan(1e-4);
});

const FORMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "flux2-comfy": { LoRA: 12 },
  "flux2-peft-folder": { LoRA: 16 },
  kohya: { LoRA: 7 },
  ends: { LoRA: 5 },
  expanded: { LoRA: 3 },
  "lokr-original": { LoKr: 4 },
  "lokr-lycoris": { LoKr: 3 },
};

it.each(Object.keys(FORMS))("%s is merged, all of it", (name) => {
  const single = join(CASES, name, "lora.safetensors");
  const file = existsSync(single) ? single : join(CASES, name);
  const { graph, reports } = withAdapters(base, [{ file, scale: 1 }], reader);
  expect(relativeError(evaluate(graph), expected(name))).toBeLessThan(1e-4);
  expect(relativeError(expected("base"), expected(name))).toBeGreaterThan(1e-3);
  expect(reports).toEqual([expect.objectContaining({ forms: FORMS[name], absent: [], leftOut: [] })]);
});

it("an adapter of a larger model leaves out the blocks that this one lacks", () => {
  const tensors = new Map(
    [...load("kohya", "lora.safetensors")].map(([name, tensor]) => [
      name.replace("single_blocks_1_", "single_blocks_9_"),
      tensor,
    ]),
  );
  const file = files.save(serialize(tensors));
  const { reports } = withAdapters(base, [{ file, scale: 1 }], reader);
  expect(reports[0]).toMatchObject({ forms: { LoRA: 6 } });
  expect(reports[0]?.absent).toHaveLength(3);
});
