import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { imageIds, latentGeometry, textIds } from "../../ir/models/flux1/latents.js";
import type { Tensor } from "../../ir/tensor.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { type Generator, openGenerator } from "../../runtime/node/generate.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { openPipelineModels } from "../../runtime/node/pipeline-models.js";
import { encodePng } from "../../runtime/node/png.js";
import { makeNoise } from "../../runtime/noise.js";
import { requireConditions } from "../../runtime/pipeline/given-pictures.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { encoderWeight, SCALE, writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-conditions-"));
const PROMPT = "a photo of a red circle";
const [WIDTH, HEIGHT] = [48, 32];
const STEPS = 3;
const geometry = latentGeometry(HEIGHT, WIDTH);
const CHANNELS = geometry.packedChannels;

const picture: Picture = {
  width: WIDTH,
  height: HEIGHT,
  rgb: Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => (i * i * 31) % 256),
};
/** Gray levels on both sides of the middle, in no pattern of 8 pixels. */
const level = (x: number, y: number) => [127, 128, 0, 255, 90][(3 * x + 5 * y + x * y) % 5] ?? 0;
const isHole = (x: number, y: number) => level(x, y) >= 128;
const mask: Picture = {
  width: WIDTH,
  height: HEIGHT,
  rgb: Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return level(pixel % WIDTH, Math.floor(pixel / WIDTH));
  }),
};

/** Channels of the encoded picture in an image token: c·4 + 2·py + px, by the definition of the stand-in encoder. */
function encoded(row: number, column: number, channel: number, hidden: typeof isHole): number {
  const [c, py, px] = [channel >> 2, (channel >> 1) & 1, channel & 1];
  let latent = 0;
  for (let color = 0; color < 3; color++) {
    let sum = 0;
    for (let dy = 0; dy < SCALE; dy++) {
      for (let dx = 0; dx < SCALE; dx++) {
        const [x, y] = [(2 * column + px) * SCALE + dx, (2 * row + py) * SCALE + dy];
        sum += hidden(x, y) ? 0 : ((picture.rgb[(y * WIDTH + x) * 3 + color] ?? 0) / 255) * 2 - 1;
      }
    }
    latent += (encoderWeight(c, color) * sum) / SCALE ** 2;
  }
  return latent;
}

/** Channels of the mask: (dy·8 + dx)·4 + 2·py + px. */
function masked(row: number, column: number, channel: number): number {
  const [pixel, py, px] = [channel >> 2, (channel >> 1) & 1, channel & 1];
  const x = (2 * column + px) * SCALE + (pixel % SCALE);
  return isHole(x, (2 * row + py) * SCALE + Math.floor(pixel / SCALE)) ? 1 : 0;
}

describe.each([
  { kind: "Fill", channels: 6 * CHANNELS, pictures: { image: picture, mask }, hidden: isHole },
  { kind: "Canny and Depth", channels: 2 * CHANNELS, pictures: { control: picture }, hidden: () => false },
])("a model of the kind of $kind", ({ kind, channels, pictures, hidden }) => {
  const pipeline = join(folder, `${kind} pipeline`);
  const bundle = join(folder, `${kind} bundle`);
  const notices: string[] = [];
  let generator: Generator;
  beforeAll(async () => {
    writePipeline(pipeline);
    await compileModel({
      input: writeTransformer(join(folder, `${kind}.onnx`), channels),
      out: bundle,
      target: "cpu",
      ternarize: "none",
      activations: "f32",
      resolutions: [{ width: WIDTH, height: HEIGHT }],
      pipeline,
      onNotice: (text) => notices.push(text),
    });
    generator = await openGenerator(bundle, { threads: 1 });
  });
  afterAll(async () => {
    await generator?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("sees its pictures behind the latents in every step, as Diffusers' pipeline lays them out", async () => {
    const start = makeNoise(5, geometry.imageTokens * CHANNELS);
    const drawn = await generator.generate({ prompt: PROMPT, steps: STEPS, latents: start, ...pictures });

    const models = await openPipelineModels(pipeline, { threads: 1 });
    const { context, contextTokens, pooled } = await models.encode(PROMPT);
    const { scalingFactor, shiftFactor } = models.vaeConfig;
    const schedule = makeSchedule(models.schedulerConfig, {
      steps: STEPS,
      imageTokens: geometry.imageTokens,
    });
    const device = await openDevice("cpu", { threads: 1 });
    const { program, code, weights } = generator.bundle;
    const loaded = await device.load(program, code, weights);
    const latents = start.slice();
    for (let step = 0; step < STEPS; step++) {
      const rows = new Float32Array(geometry.imageTokens * channels);
      for (let i = 0; i < rows.length; i++) {
        const [token, k] = [Math.floor(i / channels), i % channels];
        const [row, column] = [Math.floor(token / geometry.columns), token % geometry.columns];
        if (k < CHANNELS) rows[i] = latents[token * CHANNELS + k] ?? 0;
        else if (k < 2 * CHANNELS) {
          rows[i] = (encoded(row, column, k - CHANNELS, hidden) - shiftFactor) * scalingFactor;
        } else rows[i] = masked(row, column, k - 2 * CHANNELS);
      }
      const float = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: "f32", shape, data });
      const outputs = await evaluateBundle(
        loaded,
        program,
        new Map([
          ["hidden_states", float([1, geometry.imageTokens, channels], rows)],
          ["encoder_hidden_states", float([1, contextTokens, 128], context)],
          ["pooled_projections", float([1, 64], pooled)],
          ["timestep", float([1], schedule.modelTimesteps.subarray(step, step + 1))],
          ["guidance", float([1], Float32Array.of(generator.bundle.manifest.sampling?.guidance ?? 0))],
          ["img_ids", float([geometry.imageTokens, 3], imageIds(geometry))],
          ["txt_ids", float([contextTokens, 3], textIds(contextTokens))],
        ]),
      );
      const velocity = outputs.get("out_hidden_states")?.data as Float32Array;
      const delta = (schedule.sigmas[step + 1] ?? 0) - (schedule.sigmas[step] ?? 0);
      for (let i = 0; i < latents.length; i++) latents[i] = (latents[i] ?? 0) + delta * (velocity[i] ?? 0);
    }
    await loaded.close();
    await device.close();
    const worst = latents.reduce((most, v, i) => Math.max(most, Math.abs(v - (drawn.latents[i] ?? 0))), 0);
    expect(drawn.latents).toHaveLength(latents.length);
    expect(worst).toBeLessThan(1e-4);
    expect(await models.decode(drawn.latents, HEIGHT, WIDTH)).toEqual({
      rgb: drawn.rgb,
      width: WIDTH,
      height: HEIGHT,
    });
    await models.close();
  });

  it("takes PNG files, records their hashes, and draws otherwise after another picture", async () => {
    const files = Object.fromEntries(Object.entries(pictures).map(([name, p]) => [name, encodePng(p)]));
    const request = { prompt: PROMPT, steps: 1, seed: 2 };
    const a = await generator.generate({ ...request, ...pictures });
    const b = await generator.generate({ ...request, ...files });
    expect(b.rgb).toEqual(a.rgb);
    expect(Object.keys(generator.metadata({ ...request, ...files }))).toEqual(
      expect.arrayContaining(Object.keys(pictures)),
    );
    const blank: Picture = { ...picture, rgb: new Uint8Array(picture.rgb.length) };
    const name = "control" in pictures ? "control" : "image";
    const c = await generator.generate({ ...request, ...pictures, [name]: blank });
    expect(c.latents).not.toEqual(a.latents);
  });

  it("says when it is compiled what it needs, and draws nothing without", async () => {
    expect(notices.join("\n")).toMatch("control" in pictures ? /--control/ : /--image[\s\S]*--mask/);
    await expect(generator.generate({ prompt: PROMPT })).rejects.toMatchObject({ code: "TRITC_E_CONDITION" });
    const torn = Object.fromEntries(Object.keys(pictures).map((name) => [name, { ...picture, width: 5 }]));
    await expect(generator.generate({ prompt: PROMPT, ...torn })).rejects.toThrow(/5x32 pixels/);
    const types = readFileSync(join(bundle, "index.d.ts"), "utf8");
    for (const name of Object.keys(pictures))
      expect(types).toContain(`readonly ${name}: Picture | Uint8Array`);
  });
});

describe("pictures that a model does not take, or lacks", () => {
  const some = {};
  it.each([
    [
      "none",
      { control: some },
      /from a prompt[\s\S]*nothing, or --image, --mask, --strength[\s\S]*leave --control out/,
    ],
    ["none", { mask: some }, /found: {4}--mask[\s\S]*give --image/],
    ["none", { strength: 0.5 }, /found: {4}--strength[\s\S]*give --image/],
    ["none", { image: [some, some] }, /at most 1 of --image[\s\S]*found: {4}2[\s\S]*leave some out/],
    ["reference", { image: some, mask: some }, /after pictures[\s\S]*leave --mask out/],
    ["reference", { image: some, strength: 0.5 }, /leave --strength out/],
    ["control", { control: some, image: some }, /leave --image out/],
    ["control", {}, /control picture[\s\S]*expected: --control[\s\S]*give --control/],
    ["control", { control: some, mask: some }, /leave --mask out/],
    ["fill", { image: some }, /Fill[\s\S]*found: {4}--image[\s\S]*give --mask/],
    ["fill", {}, /give --image and --mask/],
    ["fill", { image: some, mask: some, control: some }, /leave --control out/],
  ] as const)("%s, %o", (condition, given, message) => {
    expect(() => requireConditions(condition, given, "bundle")).toThrow(message);
  });

  it("are let through where they are right", () => {
    requireConditions("none", {}, "bundle");
    requireConditions("none", { image: some }, "bundle");
    requireConditions("none", { image: some, mask: some, strength: 1 }, "bundle");
    requireConditions("reference", {}, "bundle");
    requireConditions("reference", { image: some }, "bundle");
    requireConditions("reference", { image: [some, some, some] }, "bundle", 3);
    requireConditions("fill", { image: some, mask: some, strength: 0.5 }, "bundle");
    requireConditions("control", { control: some }, "bundle");
    requireConditions("fill", { image: some, mask: some }, "bundle");
  });
});
