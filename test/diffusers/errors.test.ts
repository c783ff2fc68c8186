import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importModel } from "../../compiler/import-model.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { TINY } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";

const files = modelFiles();
const { diffusers, original } = fluxModel(TINY);
const CONFIG = diffusersConfig(TINY);
const INDEX = "diffusion_pytorch_model.safetensors.index.json";
const PART = (i: number) => `diffusion_pytorch_model-0000${i}-of-00002.safetensors`;
let count = 0;

function folder(
  config: Readonly<Record<string, unknown>> = CONFIG,
  tensors: ReadonlyMap<string, Tensor> = diffusers,
  shards = 1,
): string {
  const path = join(files.root, `model-${count++}`);
  writeDiffusers(path, config, tensors, shards);
  return path;
}

function changed(change: (tensors: Map<string, Tensor>) => void): ReadonlyMap<string, Tensor> {
  const tensors = new Map(diffusers);
  change(tensors);
  return tensors;
}

function without(key: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(CONFIG).filter(([name]) => name !== key));
}

function expectRefused(path: string, message: RegExp): void {
  expect(() => importModel(path)).toThrow(message);
  expect(() => importModel(path)).toThrow(expect.objectContaining({ code: "TRITC_E_CHECKPOINT" }));
}

describe("a configuration", () => {
  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    [
      "of another class",
      { ...CONFIG, _class_name: "SD3Transformer2DModel" },
      /config\.json: this is the configuration of another kind[\s\S]*expected: _class_name FluxTransformer2DModel\n {2}found: {4}SD3Transformer2DModel/,
    ],
    ["without a class", without("_class_name"), /found: {4}no _class_name/],
    [
      "of quantized weights",
      { ...CONFIG, quantization_config: { quant_method: "bitsandbytes" } },
      /the weights are quantized already/,
    ],
    ["with an unknown setting", { ...CONFIG, parallel_mlp: true }, /not known[\s\S]*found: {4}parallel_mlp/],
    [
      "with text for a number",
      { ...CONFIG, num_layers: "19" },
      /num_layers: the setting has a value[\s\S]*found: {4}19/,
    ],
    ["with half a block", { ...CONFIG, num_single_layers: 1.5 }, /num_single_layers: the setting/],
    ["of astronomic size", { ...CONFIG, num_layers: 1e9 }, /num_layers: the setting/],
    ["without blocks", { ...CONFIG, num_layers: 0, num_single_layers: 0 }, /at least one block/],
    [
      "with odd rotations",
      { ...CONFIG, axes_dims_rope: [5, 5, 6] },
      /axes_dims_rope: .*[\s\S]*found: {4}\[5, 5, 6\]/,
    ],
    [
      "with rotations of other heads",
      { ...CONFIG, axes_dims_rope: [16, 56, 56] },
      /sum to attention_head_dim 16/,
    ],
    [
      "with a number for a flag",
      { ...CONFIG, guidance_embeds: 1 },
      /guidance_embeds: .*[\s\S]*true or false/,
    ],
  ])("%s", (_, config, message) => expectRefused(folder(config), message));

  it.each(["", "{", "[]", '{"a": 1, "a": 2}', "version https://git-lfs.github.com/spec/v1"])(
    "that is %j",
    (text) => {
      const path = folder();
      writeFileSync(join(path, "config.json"), text);
      expectRefused(path, /config\.json: the file (is not valid JSON|holds no JSON object)/);
    },
  );
});

describe("tensors", () => {
  it.each<[string, ReadonlyMap<string, Tensor>, RegExp]>([
    [
      "one missing",
      changed((t) => t.delete("single_transformer_blocks.1.attn.to_k.bias")),
      /single_transformer_blocks\.1\.attn\.to_k\.bias: a tensor of the model is missing\n {2}expected: \[32\]/,
    ],
    [
      "one of another shape",
      changed((t) =>
        t.set("proj_out.weight", { dtype: "f32", shape: [8, 16], data: new Float32Array(128).fill(1) }),
      ),
      /proj_out\.weight: .*\n {2}expected: \[8, 32\]\n {2}found: {4}\[8, 16\]/,
    ],
    [
      "one of integers",
      changed((t) => t.set("proj_out.bias", { dtype: "u8", shape: [8], data: new Uint8Array(8).fill(1) })),
      /proj_out\.bias: the tensor holds no floating-point numbers[\s\S]*found: {4}u8/,
    ],
    [
      "one too many",
      changed((t) =>
        t.set("controlnet_x_embedder.weight", { dtype: "f32", shape: [1], data: Float32Array.of(1) }),
      ),
      /tensors that the model has no use for[\s\S]*found: {4}controlnet_x_embedder\.weight/,
    ],
    // As bitsandbytes' 4 bits, Quanto and Nunchaku keep a weight: not a matter of the configuration.
    ...["proj_out.weight.quant_state.bitsandbytes__nf4", "proj_out.weight._data", "proj_out.wscales"].map(
      (name): [string, ReadonlyMap<string, Tensor>, RegExp] => [
        `${name} beside another weight`,
        changed((t) => {
          t.set("proj_out.weight", { dtype: "u8", shape: [8, 16], data: new Uint8Array(128) });
          t.set(name, { dtype: "u8", shape: [1], data: Uint8Array.of(1) });
        }),
        /quantized in a form that is not read[\s\S]*found: {4}proj_out\..*\n {2}try: .*bfloat16/,
      ],
    ),
  ])("%s", (_, tensors, message) => expectRefused(folder(CONFIG, tensors), message));

  it("of more blocks than the configuration has", () => {
    expectRefused(
      folder({ ...CONFIG, num_single_layers: 1 }),
      /no use for[\s\S]*single_transformer_blocks\.1\./,
    );
  });

  it("of guidance that the configuration denies", () => {
    expectRefused(folder({ ...CONFIG, guidance_embeds: false }), /no use for[\s\S]*guidance_embedder/);
  });
});

describe("files", () => {
  it("no weights", () => {
    const path = folder();
    rmSync(join(path, "diffusion_pytorch_model.safetensors"));
    writeFileSync(join(path, "diffusion_pytorch_model.bin"), "PK");
    expectRefused(
      path,
      /the folder has no weights[\s\S]*found: {4}config\.json, diffusion_pytorch_model\.bin/,
    );
  });

  it("several variants", () => {
    const path = folder();
    rmSync(join(path, "diffusion_pytorch_model.safetensors"));
    for (const name of ["fp16", "bf16"]) {
      writeFileSync(join(path, `diffusion_pytorch_model.${name}.safetensors`), serialize(diffusers));
    }
    expectRefused(path, /several variants of weights/);
    rmSync(join(path, "diffusion_pytorch_model.fp16.safetensors"));
    expect(importModel(path).outputs).toEqual(["out_hidden_states"]);
  });

  it("a missing part", () => {
    const path = folder(CONFIG, diffusers, 2);
    rmSync(join(path, PART(2)));
    expectRefused(path, /00002-of-00002\.safetensors: a part of the model is missing/);
  });

  it("parts of another version", () => {
    const path = folder(CONFIG, diffusers, 2);
    const part = new Map([...diffusers].filter((_, k) => k % 2 === 1));
    const [first = ""] = part.keys();
    writeFileSync(join(path, PART(2)), serialize(new Map([...part].slice(1))));
    expectRefused(path, new RegExp(`lacks a tensor that the index says it has\\n {2}expected: ${first}`));
    writeFileSync(
      join(path, PART(2)),
      serialize(new Map([...part, ["more", { ...part.get(first) } as Tensor]])),
    );
    expectRefused(path, /has a tensor that the index does not list\n {2}found: {4}more/);
  });

  it.each(["../model.safetensors", "/etc/passwd", "a/b.safetensors", "weights.bin", 7])(
    "an index that names %j",
    (shard) => {
      const path = folder(CONFIG, diffusers, 2);
      writeFileSync(join(path, INDEX), JSON.stringify({ weight_map: { "proj_out.bias": shard } }));
      expectRefused(path, /proj_out\.bias: the index names a file that is no part of the model/);
    },
  );

  it("an index without a map", () => {
    const path = folder(CONFIG, diffusers, 2);
    writeFileSync(join(path, INDEX), "{}");
    expectRefused(path, /the index has no weight_map/);
  });

  it("a damaged part", () => {
    const path = folder(CONFIG, diffusers, 2);
    writeFileSync(join(path, PART(1)), "short");
    expect(() => importModel(path)).toThrow(
      /00001-of-00002\.safetensors: the file is too short for a header/,
    );
  });

  it("neither ONNX nor Diffusers", () => {
    const path = join(files.root, "empty");
    mkdirSync(path);
    expect(() => importModel(path)).toThrow(/the folder holds no model[\s\S]*Diffusers folder/);
  });
});

describe("an original checkpoint", () => {
  const save = (tensors: ReadonlyMap<string, Tensor>) => {
    const file = join(files.root, `checkpoint-${count++}.safetensors`);
    writeFileSync(file, serialize(tensors));
    return file;
  };

  it("with heads that no configuration describes", () => {
    expectRefused(
      save(original),
      /heads of FLUX\.1[\s\S]*expected: heads of 128 channels\n {2}found: {4}heads of 16 in 32/,
    );
  });

  it("of a type that is not read", () => {
    const header = JSON.stringify({
      "img_in.weight": { dtype: "F8_E8M0", shape: [2], data_offsets: [0, 2] },
      "txt_in.weight": { dtype: "F32", shape: [0], data_offsets: [2, 2] },
      "double_blocks.0.img_mod.lin.bias": { dtype: "F32", shape: [0], data_offsets: [2, 2] },
    });
    const bytes = Buffer.alloc(8 + header.length + 2);
    bytes.writeBigUInt64LE(BigInt(header.length));
    bytes.write(header, 8);
    const file = join(files.root, "e8m0.safetensors");
    writeFileSync(file, bytes);
    expect(() => importModel(file)).toThrow(
      /img_in\.weight: the tensor is of a type that is not read[\s\S]*found: {4}F8_E8M0\n {2}try: .*bfloat16/,
    );
  });

  it("that is an adapter", () => {
    const factor: Tensor = { dtype: "f32", shape: [2, 2], data: new Float32Array(4).fill(1) };
    const lora = new Map([["transformer.proj_out.lora_A.weight", factor]]);
    expectRefused(
      save(lora),
      /the file is no checkpoint of a FLUX transformer\n {2}expected: img_in\.weight[\s\S]*--lora/,
    );
  });
});
