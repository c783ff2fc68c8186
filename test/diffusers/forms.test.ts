/** Checkpoints in the forms that people have: names, prefixes, 8-bit floats, variants, and files of other kinds. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { diffusersConfig, fluxModel, type Tensors, writeDiffusers } from "../support/diffusers-model.js";
import { evaluateFlux } from "../support/evaluate-flux.js";
import { type FluxSize, TINY } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";
import { type NarrowForm, narrowed, safetensorsOf, stored } from "../support/narrow-checkpoint.js";
import { relativeError } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

/** Heads as FLUX.1's: without a configuration nothing says otherwise. */
const WIDE: FluxSize = { ...TINY, heads: 1, axes: [16, 56, 56], mlp: 160 };
const wide = fluxModel(WIDE, 3);
const tiny = fluxModel(TINY);
let count = 0;

function folder(): string {
  const path = join(files.root, `forms-${count++}`);
  mkdirSync(path);
  return path;
}

function saved(bytes: Uint8Array, name = "model.safetensors"): string {
  const file = join(folder(), name);
  writeFileSync(file, bytes);
  return file;
}

function expectSame(path: string, plain: Tensors, size: FluxSize = WIDE): void {
  const config = size === TINY ? diffusersConfig(TINY) : undefined;
  const reference = folder();
  writeFileSync(join(reference, "model.safetensors"), serialize(plain));
  if (config !== undefined) writeFileSync(join(reference, "config.json"), JSON.stringify(config));
  const wanted = evaluateFlux(importModel(join(reference, "model.safetensors")), size, reader);
  expect(relativeError(evaluateFlux(importModel(path), size, reader), wanted)).toBeLessThan(1e-6);
}

function prefixed(tensors: Tensors, prefix: string): Map<string, Tensor> {
  return new Map([...tensors].map(([name, t]) => [`${prefix}${name}`, t]));
}

describe("names", () => {
  it.each(["flux1-dev.sft", "weights", "model.bin", "model.onnx.safetensors"])("a file called %s", (name) => {
    expectSame(saved(serialize(wide.original), name), wide.original);
  });

  it.each(["", "model.diffusion_model.", "diffusion_model.", "model.", "transformer.", "a.b.c."])(
    "the prefix %j, in both spellings",
    (prefix) => {
      expectSame(saved(serialize(prefixed(wide.original, prefix))), wide.original);
      expectSame(saved(serialize(prefixed(wide.diffusers, prefix))), wide.original);
    },
  );

  it("a folder with one checkpoint and nothing else", () => {
    const path = folder();
    writeFileSync(join(path, "anything.sft"), serialize(wide.original));
    expectSame(path, wide.original);
  });

  it("two transformers in one file are refused", () => {
    const both = new Map([...prefixed(wide.original, "model."), ...prefixed(wide.original, "ema.")]);
    expect(() => importModel(saved(serialize(both)))).toThrow(/several transformers[\s\S]*ema\.img_in/);
  });
});

describe("a configuration beside a file", () => {
  it("says how the heads of an original checkpoint are rotated", () => {
    const file = saved(serialize(tiny.original), "flux-tiny.sft");
    writeFileSync(join(file, "..", "config.json"), JSON.stringify(diffusersConfig(TINY)));
    expectSame(file, tiny.diffusers, TINY);
  });

  it("of another model is not this file's", () => {
    const file = saved(serialize(wide.original));
    writeFileSync(join(file, "..", "config.json"), JSON.stringify({ _class_name: "AutoencoderKL" }));
    expectSame(file, wide.original);
  });
});

describe("8-bit floats", () => {
  const forms: readonly NarrowForm[] = [
    { dtype: "f8e4m3" },
    { dtype: "f8e5m2" },
    { dtype: "f8e4m3", scale: "scale_weight" },
    { dtype: "f8e4m3", scale: "weight_scale", byRow: true },
    { dtype: "f8e5m2", scale: "weight_scale" },
  ];

  it.each(forms)("%j", (form) => {
    const { stored: tensors, values } = narrowed(wide.original, form);
    expectSame(saved(safetensorsOf(tensors)), values);
    const zeros = [...values.values()].map(({ data }) => Array.from(data, Number).every((v) => v === 0));
    expect(zeros).not.toContain(true);
  });

  it("with the marks that ComfyUI writes, under a prefix", () => {
    const { stored: tensors, values } = narrowed(wide.original, { dtype: "f8e4m3", scale: "scale_weight" });
    const comfy = new Map(
      [...tensors].map(([name, tensor]) => [`model.diffusion_model.${name}`, tensor] as const),
    );
    const put = (name: string, tensor: Tensor) => comfy.set(`model.diffusion_model.${name}`, stored(tensor));
    comfy.set("model.diffusion_model.scaled_fp8", {
      dtype: "f8e4m3",
      shape: [2],
      bytes: Uint8Array.of(0, 0),
    });
    put("img_in.scale_input", { dtype: "f32", shape: [], data: Float32Array.of(1) });
    const form = new TextEncoder().encode('{"format": "float8_e4m3fn"}');
    put("img_in.comfy_quant", { dtype: "u8", shape: [form.length], data: form });
    expectSame(saved(safetensorsOf(comfy)), values);
  });

  it("in other forms are refused by name", () => {
    const { stored: tensors } = narrowed(wide.original, { dtype: "f8e4m3", scale: "weight_scale" });
    const form = new TextEncoder().encode('{"format": "nvfp4"}');
    tensors.set("img_in.comfy_quant", stored({ dtype: "u8", shape: [form.length], data: form }));
    expect(() => importModel(saved(safetensorsOf(tensors)))).toThrow(
      /img_in\.comfy_quant: the weight is quantized in a form that is not read[\s\S]*found: {4}nvfp4/,
    );
    tensors.delete("img_in.comfy_quant");
    tensors.set("img_in.weight_scale", stored({ dtype: "f32", shape: [1, 2], data: Float32Array.of(1, 2) }));
    expect(() => importModel(saved(safetensorsOf(tensors)))).toThrow(/scaled in a way that is not read/);
  });
});

describe("parts of a pipeline", () => {
  /** A header with tensors of 8-bit exponents, which no reader here takes. */
  function withType(spelling: string, name: string): Uint8Array {
    const bytes = serialize(
      new Map<string, Tensor>([
        ...prefixed(wide.original, "model.diffusion_model."),
        [name, { dtype: "u8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ]),
    );
    const at = Buffer.from(bytes).indexOf(`"${name}":{"dtype":"U8"`);
    const header = Number(Buffer.from(bytes).readBigUInt64LE(0));
    const text = Buffer.from(bytes.subarray(8, 8 + header))
      .toString()
      .replace(`"${name}":{"dtype":"U8"`, `"${name}":{"dtype":"${spelling}"`);
    expect(at).toBeGreaterThan(0);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, Buffer.from(text), bytes.subarray(8 + header)]);
  }

  it("of a type that is not read matter only if they are the transformer's", () => {
    expectSame(saved(withType("F8_E8M0", "text_encoders.t5xxl.scale")), wide.original);
    expect(() => importModel(saved(withType("F8_E8M0", "model.diffusion_model.more")))).toThrow(
      /no use for[\s\S]*more/,
    );
  });

  it("beside a transformer without a prefix are left out", () => {
    const vae: Tensor = { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) };
    const all = new Map([...wide.original, ["vae.decoder.conv_in.bias", vae], ["text_encoders.x.y", vae]]);
    expectSame(saved(serialize(all as Tensors)), wide.original);
  });
});

describe("variants", () => {
  it("an index of a variant", () => {
    const path = folder();
    writeDiffusers(path, diffusersConfig(TINY), tiny.diffusers, 2);
    const index = join(path, "diffusion_pytorch_model.safetensors.index.json");
    renameSync(index, index.replace("index.json", "index.bf16.json"));
    expectSame(path, tiny.diffusers, TINY);
    expectSame(join(path, "diffusion_pytorch_model.safetensors.index.bf16.json"), tiny.diffusers, TINY);
    expectSame(join(path, "diffusion_pytorch_model-00001-of-00002.safetensors"), tiny.diffusers, TINY);
  });

  it("a file of another name with the configuration beside it", () => {
    const path = folder();
    writeFileSync(join(path, "config.json"), JSON.stringify(diffusersConfig(TINY)));
    writeFileSync(join(path, "flux-tiny-fp8.sft"), serialize(tiny.original));
    expectSame(path, tiny.diffusers, TINY);
  });
});

describe("files of other kinds", () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ["torch.save", "PK\u0003\u0004................\0\0\0\0archive/data.pkl", /found: {4}PyTorch pickle\n/],
    ["a bare pickle", Uint8Array.of(0x80, 2, 0x7d, 0x71), /found: {4}PyTorch pickle\n {2}try: .*safetensors/],
    ["a zip", "PK\u0003\u0004................\0\0\0\0model.onnx", /found: {4}zip archive\n {2}try: .*unpack/],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /found: {4}gzip archive/],
    ["Git LFS", "version https://git-lfs.github.com/spec/v1\n", /found: {4}Git LFS pointer\n.*git lfs pull/],
  ])("%s, whatever its name", (_, content, message) => {
    for (const name of ["model.onnx", "model.safetensors", "model"]) {
      const file = saved(content as Uint8Array, name);
      expect(() => importModel(file)).toThrow(message);
      expect(() => importModel(file)).toThrow(expect.objectContaining({ code: "TRITC_E_FILE_KIND" }));
    }
    const inFolder = join(saved(content as Uint8Array, "model.onnx"), "..");
    expect(() => importModel(inFolder)).toThrow(expect.objectContaining({ code: "TRITC_E_FILE_KIND" }));
  });

  it("GGUF under the name that ONNX has in a folder", () => {
    const inFolder = join(saved(Buffer.from("GGUF\u0003\0\0\0"), "model.onnx"), "..");
    expect(() => importModel(inFolder)).toThrow(/found: {4}GGUF file\n {2}try: .*path of the file itself/);
    expect(() => importModel(inFolder)).toThrow(expect.objectContaining({ code: "TRITC_E_FILE_KIND" }));
  });
});
