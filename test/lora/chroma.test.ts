/** Adapters for Chroma change its weights as plain loops do, under each name that its modules have. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compileGraph, recognize, withAdapters } from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { reader } from "../recognize/models.js";
import { writeDiffusers } from "../support/diffusers-model.js";
import { wasmDevices } from "../support/kernel-devices.js";
import { KOHYA, type LoraNames, PEFT } from "../support/lora-file.js";
import { modelFiles } from "../support/model-files.js";
import { randomFloats } from "../support/random.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const CHROMA = join(import.meta.dirname, "../models/chroma");
const inputs = new Map(parseSafetensors(readFileSync(join(CHROMA, "inputs.safetensors"))));
inputs.set("attention_mask", { dtype: "f32", shape: [1, 7], data: Float32Array.of(1, 1, 1, 1, 0, 0, 0) });
const config = JSON.parse(readFileSync(join(CHROMA, "diffusers/config.json"), "utf8"));
const tensors = parseSafetensors(
  readFileSync(join(CHROMA, "diffusers/diffusion_pytorch_model.safetensors")),
) as Map<string, Tensor>;
const files = modelFiles();
const base = recognize(importModel(join(CHROMA, "diffusers")), reader);
const evaluate = (graph: Graph) => interpret(graph, inputs, { reader }).get(graph.outputs[0] ?? "");

const RANK = 3;
const ALPHA = 6;
const SCALE = 0.8;

/** A module of an adapter, and the weights of Diffusers' file that its rows are added to, one after the other. */
interface Module {
  readonly name: string;
  readonly weights: readonly string[];
}
const SINGLE = "single_transformer_blocks.1";
const DOUBLE = "transformer_blocks.0";
const PLAIN = [
  `${DOUBLE}.attn.to_q`,
  `${DOUBLE}.attn.add_k_proj`,
  `${DOUBLE}.ff.net.0.proj`,
  `${SINGLE}.attn.to_v`,
  `${SINGLE}.proj_out`,
  "distilled_guidance_layer.layers.1.linear_1",
  "context_embedder",
  "proj_out",
];

const FORMS: Readonly<Record<string, { readonly names: LoraNames; readonly modules: readonly Module[] }>> = {
  "Diffusers' names": {
    names: PEFT,
    modules: PLAIN.map((name) => ({ name: `transformer.${name}`, weights: [name] })),
  },
  "kohya's, of the original modules": {
    names: KOHYA,
    modules: [
      {
        name: "lora_unet_double_blocks_0_img_attn_qkv",
        weights: ["q", "k", "v"].map((part) => `${DOUBLE}.attn.to_${part}`),
      },
      {
        name: "lora_unet_single_blocks_1_linear1",
        weights: ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map((part) => `${SINGLE}.${part}`),
      },
      {
        name: "lora_unet_distilled_guidance_layer_layers_1_in_layer",
        weights: ["distilled_guidance_layer.layers.1.linear_1"],
      },
    ],
  },
};

/** The adapter's file, and Diffusers' tensors with `SCALE` times it added. */
function adapted(names: LoraNames, modules: readonly Module[]) {
  const lora = new Map<string, Tensor>();
  const edited = new Map(tensors);
  for (const [i, { name, weights }] of modules.entries()) {
    const shapes = weights.map((weight) => tensors.get(`${weight}.weight`)?.shape ?? []);
    const columns = shapes[0]?.[1] ?? 0;
    const rows = shapes.reduce((sum, [out = 0]) => sum + out, 0);
    const down = randomFloats(50 + i, RANK * columns, 0.3);
    const up = randomFloats(80 + i, rows * RANK, 0.3);
    lora.set(`${name}.${names[0]}.weight`, { dtype: "f32", shape: [RANK, columns], data: down });
    lora.set(`${name}.${names[1]}.weight`, { dtype: "f32", shape: [rows, RANK], data: up });
    lora.set(`${name}.alpha`, { dtype: "f32", shape: [], data: Float32Array.of(ALPHA) });
    let first = 0;
    for (const [part, weight] of weights.entries()) {
      const before = tensors.get(`${weight}.weight`) as Tensor;
      const [count = 0] = shapes[part] ?? [];
      const data = Float32Array.from(before.data as Float32Array, (value, at) => {
        const [row, column] = [first + Math.floor(at / columns), at % columns];
        let sum = 0;
        for (let r = 0; r < RANK; r++) sum += (up[row * RANK + r] ?? 0) * (down[r * columns + column] ?? 0);
        return value + SCALE * (ALPHA / RANK) * sum;
      });
      edited.set(`${weight}.weight`, { ...before, data });
      first += count;
    }
  }
  return { file: files.save(serialize(lora)), edited };
}

const cpu = wasmDevices();

describe.each(Object.entries(FORMS))("%s", (_, { names, modules }) => {
  const { file, edited } = adapted(names, modules);
  const merged = withAdapters(base, [{ file, scale: SCALE }], reader);

  it("are all found, and merged", () => {
    expect(merged.reports).toEqual([
      expect.objectContaining({ forms: { LoRA: modules.length }, absent: [], leftOut: [] }),
    ]);
    writeDiffusers(files.root, config, edited);
    const wanted = evaluate(recognize(importModel(files.root), reader));
    expect(relativeError(evaluate(merged.graph), wanted)).toBeLessThan(1e-6);
    expect(relativeError(evaluate(base), wanted)).toBeGreaterThan(0.01);
  });

  it("become ternary with the weights", async () => {
    const compiled = await compileGraph(merged.graph, reader, {
      target: cpu.target,
      options: { ternarize: "exact", activations: "int8" },
      sizes: { img_tokens: 12, txt_tokens: 7, steps: 4 },
      batchAxes: new Map(),
    });
    const wanted = evaluate(compiled.graph);
    const { two: device } = cpu.devices();
    if (device === undefined) throw new Error("there is no device");
    const [found] = (await runCompiled(compiled, reader, device, inputs)).values();
    expect(relativeError(found, wanted)).toBeLessThan(1e-3);
  });
});
