/** A model with an adapter merged is the model whose weights were changed by hand. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  batchAxesOf,
  compileGraph,
  portTypesOf,
  recognize,
  withAdapters,
} from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { tensorOf } from "../recognize/models.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { KOHYA, type LoraModule, loraFile, PEFT } from "../support/lora-file.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 2 });
});
afterAll(async () => {
  await device.close();
  reader.close();
});

const OUTPUT = TORCHSCRIPT.output;
const plain = fluxModel(TINY);

const ATTENTION = "transformer.transformer_blocks.0.attn";
const SINGLE = "transformer.single_transformer_blocks";
const PEFT_MODULES: readonly LoraModule[] = [
  { name: `${ATTENTION}.to_q`, roles: ["double.0.img.q"], rank: 3, alpha: 6 },
  { name: `${ATTENTION}.add_k_proj`, roles: ["double.0.txt.k"], rank: 1 },
  { name: `${ATTENTION}.to_out.0`, roles: ["double.0.img.out"], rank: 4 },
  {
    name: "transformer.transformer_blocks.0.norm1_context.linear",
    roles: ["double.0.txt.modulation"],
    rank: 2,
  },
  {
    name: "transformer.transformer_blocks.0.ff.net.0.proj",
    roles: ["double.0.img.mlp.up"],
    rank: 5,
    alpha: 1,
  },
  { name: "transformer.transformer_blocks.0.ff_context.net.2", roles: ["double.0.txt.mlp.down"], rank: 2 },
  { name: `${SINGLE}.1.attn.to_v`, roles: ["single.1.v"], rank: 6 },
  { name: `${SINGLE}.1.proj_mlp`, roles: ["single.1.mlp.up"], rank: 2 },
  { name: `${SINGLE}.0.proj_out`, roles: ["single.0.out"], rank: 3 },
  { name: "transformer.x_embedder", roles: ["x_embedder"], rank: 2 },
  { name: "transformer.time_text_embed.guidance_embedder.linear_2", roles: ["guidance_in.1"], rank: 2 },
  { name: "transformer.norm_out.linear", roles: ["norm_out.scale", "norm_out.shift"], rank: 2 },
];
const KOHYA_MODULES: readonly LoraModule[] = [
  {
    name: "lora_unet_double_blocks_0_img_attn_qkv",
    roles: ["double.0.img.q", "double.0.img.k", "double.0.img.v"],
    rank: 4,
    alpha: 2,
  },
  { name: "lora_unet_double_blocks_0_txt_mlp_2", roles: ["double.0.txt.mlp.down"], rank: 3, alpha: 3 },
  {
    name: "lora_unet_single_blocks_1_linear1",
    roles: ["single.1.q", "single.1.k", "single.1.v", "single.1.mlp.up"],
    rank: 5,
    alpha: 1,
  },
  { name: "lora_unet_single_blocks_0_linear2", roles: ["single.0.out"], rank: 2, alpha: 4 },
  { name: "lora_unet_single_blocks_0_modulation_lin", roles: ["single.0.modulation"], rank: 2, alpha: 2 },
  {
    name: "lora_unet_final_layer_adaLN_modulation_1",
    roles: ["norm_out.shift", "norm_out.scale"],
    rank: 2,
    alpha: 2,
  },
];

const FUSED: Partial<FluxStyle> = STYLES["original implementation"] ?? {};
const SHARED: FluxStyle = {
  ...TORCHSCRIPT,
  qkv: "fused-split",
  single: "linear1-parts",
  linear: "transposed",
};

function inputsOf(style: FluxStyle): Map<string, Tensor> {
  const given = fluxInputs(style, TINY, { img: 6, txt: 5 }, { timestep: 0.03, guidance: 0.02 });
  return new Map(Object.entries(given).map(([name, input]) => [name, tensorOf(input)]));
}

function evaluate(graph: Graph, style: FluxStyle): Tensor | undefined {
  const inputs = new Map(
    [...inputsOf(style)].map(([name, t]) => {
      const float = graph.types.get(name)?.dtype === "f32";
      return [name, float ? { ...t, dtype: "f32" as const, data: Float32Array.from(t.data, Number) } : t];
    }),
  );
  return interpret(graph, inputs, { reader }).get(style.output);
}

const folder = join(files.root, "diffusers");
writeDiffusers(folder, diffusersConfig(TINY), plain.diffusers, 2);

function save(name: string, bytes: Uint8Array): string {
  const file = join(files.root, name);
  writeFileSync(file, bytes);
  return file;
}

describe.each([
  ["PEFT", PEFT_MODULES, PEFT],
  ["kohya", KOHYA_MODULES, KOHYA],
] as const)("an adapter of %s", (kind, modules, names) => {
  const lora = loraFile(modules, plain.weights, names);
  const adapter = { file: save(`${kind}.safetensors`, lora.bytes), scale: 0.7 };

  it.each([
    ["a Diffusers folder", TORCHSCRIPT, folder],
    ["an ONNX export", TORCHSCRIPT, undefined],
    ["an export in the original formulation", { ...TORCHSCRIPT, ...FUSED }, undefined],
    ["an export with joined linears", SHARED, undefined],
  ] as const)("changes %s as by hand", (_, style, path) => {
    const base = path ?? files.save(fluxModel(TINY, 1, undefined, style).onnx);
    const changed = importModel(files.save(fluxModel(TINY, 1, lora.edit(0.7), style).onnx));
    const recognized = recognize(importModel(base), reader);
    const { graph: merged, reports } = withAdapters(recognized, [adapter], reader);
    const wanted = evaluate(changed, style);
    expect(relativeError(evaluate(merged, style), wanted)).toBeLessThan(1e-5);
    expect(relativeError(evaluate(recognized, style), wanted)).toBeGreaterThan(1e-2);
    expect(reports).toEqual([
      {
        ...adapter,
        merged: modules.length,
        forms: { LoRA: modules.length },
        settings: null,
        leftOut: [],
        absent: [],
      },
    ]);
  });

  it.each(["none", "exact"] as const)("is in the weights of a bundle (%s)", async (ternarize) => {
    const run = async (imported: Graph, adapters: readonly (typeof adapter)[]) => {
      const { graph: recognized } = withAdapters(recognize(imported, reader), adapters, reader);
      const compiled = await compileGraph(recognized, reader, {
        target: cpu,
        options: { ternarize, activations: ternarize === "none" ? "f32" : "int8" },
        sizes: {},
        batchAxes: batchAxesOf(imported, recognized),
        dtypes: portTypesOf(imported),
      });
      return (await runCompiled(compiled, reader, device, inputsOf(TORCHSCRIPT))).get(OUTPUT);
    };
    const changed = fluxModel(TINY, 1, lora.edit(0.7)).diffusers;
    const byHand = join(files.root, `${kind}-${ternarize}`);
    writeDiffusers(byHand, diffusersConfig(TINY), changed);
    const found = await run(importModel(folder), [adapter]);
    const wanted = await run(importModel(byHand), []);
    expect(relativeError(found, wanted)).toBeLessThan(ternarize === "none" ? 1e-5 : 1e-3);
  });
});

it("merges several adapters, also into the same weights", () => {
  const one = loraFile(PEFT_MODULES, plain.weights, PEFT, 21);
  const two = loraFile(KOHYA_MODULES, plain.weights, KOHYA, 55);
  const adapters = [
    { file: save("one.safetensors", one.bytes), scale: 1 },
    { file: save("two.safetensors", two.bytes), scale: -0.5 },
  ];
  const both = fluxModel(TINY, 1, (role, values, shape) => {
    one.edit(1)(role, values, shape);
    two.edit(-0.5)(role, values, shape);
  });
  const { graph: merged } = withAdapters(recognize(importModel(folder), reader), adapters, reader);
  const wanted = evaluate(importModel(files.save(both.onnx)), TORCHSCRIPT);
  expect(relativeError(evaluate(merged, TORCHSCRIPT), wanted)).toBeLessThan(1e-5);
});

it("names what it leaves out", () => {
  const lora = loraFile(PEFT_MODULES.slice(0, 1), plain.weights, PEFT);
  const strangers: readonly LoraModule[] = [
    { name: "text_encoder.text_model.encoder.layers.0.self_attn.q_proj", roles: ["x_embedder"], rank: 2 },
    { name: "transformer.transformer_blocks.7.attn.to_q", roles: ["double.0.img.q"], rank: 2 },
  ];
  for (const [name, t] of loraFile(strangers, plain.weights, PEFT).tensors) lora.tensors.set(name, t);
  const file = save("partly.safetensors", serialize(lora.tensors));
  const { reports } = withAdapters(recognize(importModel(folder), reader), [{ file, scale: 1 }], reader);
  const both = (name: string) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`];
  expect(reports[0]?.merged).toBe(1);
  expect([...(reports[0]?.leftOut ?? [])].sort()).toEqual(both(strangers[0]?.name ?? ""));
  expect([...(reports[0]?.absent ?? [])].sort()).toEqual(both(strangers[1]?.name ?? ""));
});
