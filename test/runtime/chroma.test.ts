/** Chroma's pipeline: T5's text without its padding, and guidance by two passes that have texts of different lengths. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { interpret } from "../../ir/interpret/index.js";
import { familyOf, type ModelDescription, valuesOf } from "../../ir/models/index.js";
import type { TextPadding } from "../../ir/models/text-padding.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { Tensor } from "../../ir/tensor.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { decodePng } from "../../runtime/node/png.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { cli } from "../support/cli.js";
import { TEXT_TOKENS, textEncoder, textState, WORDS, writeFlux2Pipeline } from "../support/flux2-pipeline.js";
import { modelFiles } from "../support/model-files.js";
import { node, model as onnxModel, tensor, value } from "../support/onnx-builder.js";
import { randomFloats } from "../support/random.js";
import { relativeError } from "../support/run-compiled.js";

const CHROMA = join(import.meta.dirname, "../models/chroma");
const CONTEXT = 12;
const files = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

const graph = recognize(importModel(join(CHROMA, "diffusers")), reader);
const model = graph.model as ModelDescription;
const layout = familyOf(model).latents;
const geometry = layout.geometry(6, 8, 2, 1);
const noise = randomFloats(11, geometry.imageTokens * geometry.packedChannels);

/** A pipeline of Chroma with stand-ins for its text encoder and VAE. */
function writePipeline(): string {
  const folder = writeFlux2Pipeline(join(files.root, "pipeline"), false);
  const write = (path: string, content: object | Uint8Array) =>
    writeFileSync(join(folder, path), content instanceof Uint8Array ? content : JSON.stringify(content));
  write("model_index.json", { _class_name: "ChromaPipeline" });
  write("text_encoder/model.onnx", textEncoder(CONTEXT, "last_hidden_state"));
  write("vae_decoder/config.json", {
    block_out_channels: [4],
    latent_channels: 2,
    scaling_factor: 0.5,
    shift_factor: 0.1,
  });
  write(
    "vae_decoder/model.onnx",
    onnxModel(
      {
        inputs: [value("latent_sample", "f32", ["b", 2, "h", "w"])],
        outputs: [value("sample", "f32", ["b", 3, "h", "w"])],
        initializers: [tensor("weights", "f32", [3, 2, 1, 1], [0.2, 0.1, -0.3, 0.4, 0.1, 0.2])],
        nodes: [node("Conv", ["latent_sample", "weights"], ["sample"])],
      },
      { opset: 17 },
    ),
  );
  return folder;
}

/** What the text encoder gives for a prompt: all of it, or up to the first token of padding. */
function textOf(words: readonly string[], padding: TextPadding) {
  const shownTokens = Math.min(words.length + 1, TEXT_TOKENS);
  const contextTokens = padding === "seen" ? TEXT_TOKENS : shownTokens;
  const context = Float32Array.from({ length: contextTokens * CONTEXT }, (_, i) => {
    const word = words[Math.floor(i / CONTEXT)];
    return textState(WORDS.indexOf(word ?? ""), word === undefined, i % CONTEXT);
  });
  return { context, contextTokens, shownTokens };
}

function velocity(
  latents: Float32Array,
  timestep: number,
  words: readonly string[],
  padding: TextPadding,
): Float32Array {
  const values = valuesOf({
    ...{ model, geometry, latents, ...textOf(words, padding), pooled: new Float32Array(), guidance: 0 },
    timesteps: Float32Array.of(timestep),
  });
  const inputs = Object.entries(model.roles).map(([id, role]): [string, Tensor] => {
    const data = values(role);
    const shape = graph.types.get(id)?.shape?.map((d) => (typeof d === "number" ? d : -1)) ?? [];
    const known = shape.reduce((product, d) => Math.abs(product * d), 1);
    return [id, { dtype: "f32", shape: shape.map((d) => (d < 0 ? data.length / known : d)), data }];
  });
  const found = interpret(graph, new Map(inputs), { reader }).get(graph.outputs[0] ?? "");
  return found?.data as Float32Array;
}

/** Euler's method with both velocities of the interpreter. */
function drawn(
  steps: number,
  scale: number,
  prompt: readonly string[],
  negative: readonly string[],
  padding: TextPadding,
): Tensor {
  const scheduler = readSchedulerConfig({ use_dynamic_shifting: true, shift: 3 });
  const { modelTimesteps, sigmas } = makeSchedule(scheduler, { steps, imageTokens: 12, model });
  let x = noise;
  for (const [i, timestep] of modelTimesteps.entries()) {
    const [with_, without] = [prompt, negative].map((words) => velocity(x, timestep, words, padding));
    const delta = (sigmas[i + 1] ?? 0) - (sigmas[i] ?? 0);
    x = x.map((value, k) => {
      const [v = 0, w = 0] = [with_?.[k], without?.[k]];
      return value + delta * (w + scale * (v - w));
    });
  }
  return { dtype: "f32", shape: [x.length], data: x };
}

it.each([
  ["diffusers", "cpu", "seen"],
  ["dynamo-masked.onnx", "cpu", "hidden"],
  ["diffusers", "webgpu", "seen"],
] as const)(
  "draws with a prompt and a negative prompt of different lengths: %s, %s",
  async (form, target, padding) => {
    const pipeline = writePipeline();
    const bundle = join(files.root, `bundle-${form}-${target}`);
    const settings = [
      "--target",
      target,
      "--ternarize",
      "none",
      "--activations",
      "f32",
      "--resolution",
      "8x6",
    ];
    const { code, stderr } = await cli([
      ...["compile", join(CHROMA, form), "--pipeline", pipeline],
      ...[...settings, "-o", bundle],
    ]);
    expect(stderr).not.toMatch(/TRITC_E_/);
    expect(code).toBe(0);
    const types = readFileSync(join(bundle, "index.d.ts"), "utf8");
    expect(types).toContain("readonly negativePrompt?: string");
    expect(types.includes('readonly textPadding?: "seen" | "hidden"')).toBe(padding === "seen");
    const generator = await openGenerator(bundle, { threads: 2, software: true });
    const options = { prompt: "red circle", latents: noise, steps: 3 };
    const plain = await generator.generate(options);
    const away = await generator.generate({ ...options, negativePrompt: "blue blue circle", guidance: 2.5 });
    const hidden = await generator.generate({ ...options, textPadding: "hidden" });
    const seen = generator.generate({ ...options, textPadding: "seen" });
    if (padding === "hidden") await expect(seen).rejects.toMatchObject({ code: "TRITC_E_TEXT_PADDING" });
    else expect((await seen).latents).toEqual(plain.latents);
    await generator.close();
    expect(decodePng(hidden.png).metadata).toMatchObject({ textPadding: "hidden" });
    for (const [picture, wanted] of [
      [plain, drawn(3, 5, ["red", "circle"], [], padding)],
      [hidden, drawn(3, 5, ["red", "circle"], [], "hidden")],
      [away, drawn(3, 2.5, ["red", "circle"], ["blue", "blue", "circle"], padding)],
    ] as const) {
      const found: Tensor = { dtype: "f32", shape: wanted.shape, data: picture.latents };
      expect(relativeError(found, wanted)).toBeLessThan(5e-5);
    }
    expect(away.latents).not.toEqual(plain.latents);
  },
);

it("compares models with texts of their own lengths, and says that a calibration keeps one length alone", async () => {
  const pipeline = writePipeline();
  const prompts = join(files.root, "prompts.txt");
  writeFileSync(prompts, "red\nred circle\nblue\n");
  const model = join(CHROMA, "dynamo.onnx");
  const drawing = ["--pipeline", pipeline, "--prompts", prompts, "--resolution", "12x12", "--steps", "2"];
  const page = join(files.root, "compared.html");
  const other = join(files.root, "bundle-diffusers-cpu");
  const { stdout, stderr } = await cli(["compare", model, other, ...drawing, "-o", page, "--json"]);
  expect(stderr).not.toMatch(/TRITC_E_/);
  const [{ drawn: found }] = JSON.parse(stdout).models;
  expect(found.velocityErrors).toHaveLength(2);
  for (const error of found.velocityErrors) expect(error).toBeLessThan(1e-5);
  const kept = await cli(["calibrate", model, ...drawing, "-o", join(files.root, "kept")]);
  expect(kept.stderr).toMatch(/each text of this model has its own[\s\S]*TRITC_E_NOT_A_SAMPLER/);
});
