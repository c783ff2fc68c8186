import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FLUX_DEV, fluxGraph } from "../../benchmarks/flux-graph.js";
import { loraRequest } from "../../compiler/cli/options.js";
import { fileReader } from "../../compiler/file-reader.js";
import { planLora } from "../../compiler/lora/merge-plan.js";
import { readLora } from "../../compiler/lora/read.js";
import type { TritcError } from "../../ir/errors.js";
import { serialize } from "../../ir/format/safetensors.js";
import { parseGraph } from "../../ir/graph/parse.js";
import type { Tensor } from "../../ir/tensor.js";
import { modelFiles } from "../support/model-files.js";
import { randomFloats } from "../support/random.js";

const files = modelFiles();
const reader = fileReader();
let count = 0;

function matrix(rows: number, columns: number): Tensor {
  return { dtype: "f32", shape: [rows, columns], data: randomFloats(rows + columns, rows * columns) };
}

function scalar(value: number): Tensor {
  return { dtype: "f32", shape: [], data: Float32Array.of(value) };
}

function save(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): string {
  const file = join(files.root, `${count++}.safetensors`);
  writeFileSync(file, serialize(new Map(Object.entries(tensors)), metadata));
  return file;
}

/** Two blocks of 32 channels. */
const MODEL = fluxGraph({
  ...FLUX_DEV,
  doubleBlocks: 1,
  singleBlocks: 1,
  heads: 2,
  headDim: 16,
  ropeAxes: [4, 6, 6],
});
const Q = "transformer.transformer_blocks.0.attn.to_q";

function merge(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
  scale = 1,
) {
  return planLora(MODEL, [readLora({ file: save(tensors, metadata), scale })], reader);
}

function broken(change: (data: Float32Array) => void): Tensor {
  const tensor = matrix(32, 2);
  change(tensor.data as Float32Array);
  return tensor;
}

describe("TRITC_E_LORA", () => {
  it.each<[string, Readonly<Record<string, Tensor>>, RegExp]>([
    [
      "no tensor of this model",
      {
        "lora_unet_down_blocks_0_attentions_0.lora_down.weight": matrix(2, 32),
        "lora_unet_down_blocks_0_attentions_0.lora_up.weight": matrix(32, 2),
      },
      /safetensors: none of the adapter's tensors belongs to this model\n.*expected: .*lora_A[\s\S]*found: {4}lora_unet_down_blocks_0_attentions_0\.lora_down\.weight, .*\n {2}try:/,
    ],
    ["no tensors", {}, /none of the adapter's tensors[\s\S]*found: {4}no tensors/],
    [
      "one factor only",
      { [`${Q}.lora_A.weight`]: matrix(2, 32) },
      /to_q\.lora_A\.weight: a part of the update is missing\n {2}expected: both factors/,
    ],
    [
      "factors of two ranks",
      { [`${Q}.lora_A.weight`]: matrix(2, 32), [`${Q}.lora_B.weight`]: matrix(32, 3) },
      /to_q\.lora_B\.weight: the tensor does not fit the module that it is for\n {2}expected: \[…, 2\]\n {2}found: {4}f32 \[32, 3\]/,
    ],
    [
      "another width",
      { [`${Q}.lora_A.weight`]: matrix(2, 48), [`${Q}.lora_B.weight`]: matrix(48, 2) },
      /to_q\.lora_A\.weight: the adapter is for a model of another size\n {2}expected: an update of \[32, 32\]\n {2}found: {4}\[48, 48\]/,
    ],
    [
      "a joined update of another height",
      {
        "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": matrix(2, 32),
        "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": matrix(64, 2),
      },
      /expected: an update of \[96, 32\]\n {2}found: {4}\[64, 32\]/,
    ],
    [
      "NaN",
      {
        [`${Q}.lora_A.weight`]: matrix(2, 32),
        [`${Q}.lora_B.weight`]: broken((d) => d.fill(Number.NaN, 7, 8)),
      },
      /to_q\.lora_B\.weight: the adapter holds a value that is not a finite number[\s\S]*found: {4}NaN in row 3, column 1/,
    ],
    [
      "an infinite alpha",
      {
        [`${Q}.lora_A.weight`]: matrix(2, 32),
        [`${Q}.lora_B.weight`]: matrix(32, 2),
        [`${Q}.alpha`]: scalar(Number.POSITIVE_INFINITY),
      },
      /to_q\.alpha: the adapter holds a value that is not a finite number[\s\S]*Infinity/,
    ],
    [
      "a list of alphas",
      {
        [`${Q}.lora_A.weight`]: matrix(2, 32),
        [`${Q}.lora_B.weight`]: matrix(32, 2),
        [`${Q}.alpha`]: matrix(2, 1),
      },
      /to_q\.alpha: the tensor does not fit[\s\S]*expected: one number\n {2}found: {4}f32 \[2, 1\]/,
    ],
    [
      "the factors of a convolution",
      {
        [`${Q}.lora_A.weight`]: { dtype: "f32", shape: [2, 32, 3, 1, 1], data: randomFloats(1, 192) },
        [`${Q}.lora_B.weight`]: matrix(32, 2),
      },
      /to_q\.lora_A\.weight: the tensor does not fit[\s\S]*found: {4}f32 \[2, 32, 3\]/,
    ],
    [
      "a tensor of a known module that no form has",
      {
        [`${Q}.lora_A.weight`]: matrix(2, 32),
        [`${Q}.lora_B.weight`]: matrix(32, 2),
        [`${Q}.lora_C.weight`]: matrix(32, 1),
      },
      /to_q\.lora_C\.weight: the tensor belongs to a module of this model and cannot be merged/,
    ],
    [
      "parts of two forms",
      {
        [`${Q}.lora_A.weight`]: matrix(2, 32),
        [`${Q}.lora_B.weight`]: matrix(32, 2),
        [`${Q}.diff`]: matrix(32, 32),
      },
      /to_q\.diff: the tensor belongs to a module of this model and cannot be merged/,
    ],
    [
      "two adapters in one file",
      {
        [`${Q}.lora_A.one.weight`]: matrix(2, 32),
        [`${Q}.lora_B.one.weight`]: matrix(32, 2),
        [`${Q}.lora_A.two.weight`]: matrix(2, 32),
        [`${Q}.lora_B.two.weight`]: matrix(32, 2),
      },
      /to_q\.lora_A\.two\.weight: the tensor belongs to a module of this model[\s\S]*lora_A\.two\.weight, .*lora_B\.two\.weight/,
    ],
    ["alpha alone", { [`${Q}.alpha`]: scalar(1) }, /to_q\.alpha: .*cannot be merged[\s\S]*only alpha/],
    [
      "half a LoKr",
      { [`${Q}.lokr_w1`]: matrix(4, 4) },
      /to_q\.lokr_w1: a part of the update is missing[\s\S]*lokr_w2_a and lokr_w2_b/,
    ],
    [
      "rotations without their configuration",
      { [`${Q}.oft_R.weight`]: matrix(8, 6) },
      /oft_R\.weight: nothing says how the rotations were trained/,
    ],
    [
      "whole weights, as a checkpoint has them",
      { "double_blocks.0.img_attn.proj.weight": matrix(32, 32) },
      /proj\.weight: this is a module's whole weight/,
    ],
  ])("%s", (_, tensors, message) => {
    expect(() => merge(tensors)).toThrow(message);
    expect(() => merge(tensors)).toThrow(expect.objectContaining({ code: "TRITC_E_LORA" }) as TritcError);
  });

  it("lists every tensor that cannot be merged", () => {
    const names = Array.from({ length: 7 }, (_, i) => `${Q}.lora_${"CDEFGHI"[i]}.weight`);
    const tensors = Object.fromEntries(names.map((name) => [name, matrix(2, 32)]));
    const plain = { [`${Q}.lora_A.weight`]: matrix(2, 32), [`${Q}.lora_B.weight`]: matrix(32, 2) };
    try {
      merge({ ...plain, ...tensors });
      expect.unreachable();
    } catch (error) {
      const { message, details } = error as TritcError;
      const listed = [
        details.place?.split(": ")[1],
        ...(details.others ?? []).map((other) => other.split(": ")[0]),
      ];
      expect(listed.sort()).toEqual(names);
      expect(message).toMatch(/ {2}also: {5}.*lora_D\.weight[\s\S]*and 2 more \(--json has all\)\n {2}try:/);
    }
  });

  it("a scale that overflows", () => {
    const tensors = {
      [`${Q}.lora_A.weight`]: matrix(1, 32),
      [`${Q}.lora_B.weight`]: matrix(32, 1),
      [`${Q}.alpha`]: scalar(1e30),
    };
    expect(() => merge(tensors, {}, 1e300)).toThrow(/the update's scale is not a finite number/);
  });

  it("a graph that is no transformer", () => {
    const file = save({ [`${Q}.lora_A.weight`]: matrix(2, 32), [`${Q}.lora_B.weight`]: matrix(32, 2) });
    const generic = parseGraph(
      'graph "g" {\n  input %x: f32[2]\n  %y: f32[2] = unary(%x) {"fn": "neg"}\n  output %y\n}',
    );
    expect(() => planLora(generic, [readLora({ file, scale: 1 })], reader)).toThrow(
      /into a FLUX transformer only/,
    );
  });

  it("no file", () => {
    const read = (file: string) => () => readLora({ file, scale: 1 });
    expect(read(join(files.root, "none.safetensors"))).toThrow(/none\.safetensors: there is no such adapter/);
    expect(read(mkdtempSync(join(files.root, "empty-")))).toThrow(
      /the folder has no adapter[\s\S]*an empty folder/,
    );
  });

  it("a file that is no safetensors", () => {
    const file = join(files.root, "pickle.safetensors");
    writeFileSync(file, "PK\u0003\u0004 not one of ours, but long enough");
    expect(() => readLora({ file, scale: 1 })).toThrow(
      /of a kind that is not read[\s\S]*found: {4}zip archive/,
    );
    writeFileSync(file, "no header, but long enough for one");
    expect(() => readLora({ file, scale: 1 })).toThrow(/the header/);
  });
});

describe("strength", () => {
  const factors = (name: string, names: readonly [string, string]) => ({
    [`${name}.${names[0]}.weight`]: matrix(4, 32),
    [`${name}.${names[1]}.weight`]: matrix(32, 4),
  });
  const PEFT = ["lora_A", "lora_B"] as const;
  const config = (fields: Readonly<Record<string, unknown>>) => ({
    lora_adapter_metadata: JSON.stringify(
      Object.fromEntries(Object.entries(fields).map(([key, value]) => [`transformer.${key}`, value])),
    ),
  });
  const strength = (
    tensors: Readonly<Record<string, Tensor>>,
    metadata: Readonly<Record<string, string>> = {},
  ) =>
    [...merge(tensors, metadata, 0.5).replacements.values()].flatMap((operands) =>
      [...operands.values()].map(({ source }) => (source.kind === "low-rank" ? source.scale : undefined)),
    );

  it("is the scale where no alpha is given", () => expect(strength(factors(Q, PEFT))).toEqual([0.5]));
  it("is scale·alpha/rank", () => {
    expect(strength({ ...factors(Q, PEFT), [`${Q}.alpha`]: scalar(16) })).toEqual([2]);
  });
  it("comes from the metadata that Diffusers writes", () => {
    expect(strength(factors(Q, PEFT), config({ lora_alpha: 2, r: 4, use_dora: false }))).toEqual([0.25]);
    const pattern = config({ lora_alpha: 2, alpha_pattern: { "attn.to_q": 12 } });
    expect(strength(factors(Q, PEFT), pattern)).toEqual([1.5]);
  });
  it("is scale·alpha/√rank with rsLoRA", () => {
    expect(strength(factors(Q, PEFT), config({ lora_alpha: 2, r: 4, use_rslora: true }))).toEqual([0.5]);
  });
  it("comes from the first pattern that matches, as Python matches it", () => {
    const patterns = (alpha_pattern: Readonly<Record<string, number>>) =>
      strength(factors(Q, PEFT), config({ lora_alpha: 4, alpha_pattern }));
    expect(patterns({ "to_[qk]": 8, to_q: 16 })).toEqual([1]);
    expect(patterns({ "transformer_blocks\\.(?P<n>\\d+)\\.attn\\.to_q": 16 })).toEqual([2]);
    expect(patterns({ "^transformer_blocks.*": 16 })).toEqual([2]);
    expect(patterns({ "^attn.to_q": 16 })).toEqual([0.5]);
    expect(patterns({ o_q: 16, "attn\\.to": 16 })).toEqual([0.5]);
  });
  it("is refused where its settings cannot be used", () => {
    const refused = (fields: Readonly<Record<string, unknown>>) => () =>
      strength(factors(Q, PEFT), config(fields));
    expect(refused({ lora_alpha: 4, alpha_pattern: { "(": 1 } })).toThrow(
      /a pattern for modules cannot be used/,
    );
    expect(refused({ alpha_pattern: { "(.+)+(.+)+(.+)+(.+)+(.+)+(.+)+x": 1 } })).toThrow(
      /take more than 1 s/,
    );
    expect(refused({ lora_alpha: "16" })).toThrow(/lora_alpha: this is no finite number/);
    expect(refused({ lora_alpha: 4, r: 8 })).toThrow(
      /does not have the rank[\s\S]*expected: 8, by .*\n {2}found: {4}4/,
    );
    expect(refused({ use_dora: true, lora_alpha: 4 })).toThrow(
      /a part of the update is missing[\s\S]*lora_magnitude_vector/,
    );
    expect(refused({ peft_type: "VERA" })).toThrow(/cannot be merged[\s\S]*found: {4}VERA/);
    expect(refused({ init_lora_weights: "pissa" })).toThrow(/found: {4}init_lora_weights pissa/);
  });

  it.each([
    [Q, ["lora_A", "lora_B"]],
    [Q, ["lora_A.default", "lora_B.default"]],
    [Q, ["lora.down", "lora.up"]],
    [Q.replace("transformer.", "base_model.model.transformer."), PEFT],
    [Q.replace("transformer.", ""), PEFT],
    ["lora_transformer_transformer_blocks_0_attn_to_q", ["lora_down", "lora_up"]],
    ["lora_unet_double_blocks_0_img_attn_proj", ["lora_down", "lora_up"]],
    ["diffusion_model.double_blocks.0.img_attn.proj", PEFT],
    [Q.replace("transformer.", "transformer.base_model.model."), PEFT],
    [Q.replace("transformer.", "base_model.model.unet.model.diffusion_model."), PEFT],
    ["lycoris_transformer_blocks_0_attn_to_q", ["lora_down", "lora_up"]],
    ["lora_unet_transformer_blocks_0_attn_to_q_", ["lora_down", "lora_up"]],
    ["transformer.transformer_blocks.0.attn.processor.to_q_lora", ["down", "up"]],
    [Q, ["lora_linear_layer.down", "lora_linear_layer.up"]],
    ["double_blocks.0.processor.proj_lora1", ["down", "up"]],
    [Q.replace("transformer.", "transformer._orig_mod."), PEFT],
  ] as const)("finds %s (%s)", (name, names) => {
    expect(merge(factors(name, names)).reports[0]).toMatchObject({ merged: 1, leftOut: [] });
  });
});

describe("--lora", () => {
  it.each([
    ["style.safetensors", "style.safetensors", 1],
    ["style.safetensors:0.8", "style.safetensors", 0.8],
    ["a/b:c/style.safetensors:-2e-1", "a/b:c/style.safetensors", -0.2],
    ["C:\\loras\\style.safetensors", "C:\\loras\\style.safetensors", 1],
    ["C:\\loras\\style.safetensors:1.5", "C:\\loras\\style.safetensors", 1.5],
    ["style:2", "style", 2],
    ["0123abcd", "0123abcd", 1],
  ])("%s", (text, file, scale) => expect(loraRequest(text)).toEqual({ file, scale }));

  it.each([
    "style.safetensors:",
    "style.safetensors:strong",
    "style.safetensors:NaN",
    "style.safetensors:1e999",
    "style:1.2.3",
    "",
  ])("refuses '%s'", (text) => expect(() => loraRequest(text)).toThrow(/Expected/));
});
