/** FLUX.2's pipeline: schedule, latents, positions, text, guidance by two passes. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { interpret } from "../../ir/interpret/index.js";
import { familyOf, type ModelDescription, valuesOf } from "../../ir/models/index.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { Tensor } from "../../ir/tensor.js";
import { type GenerateOptions, openGenerator } from "../../runtime/node/generate.js";
import { decodePng, encodePng } from "../../runtime/node/png.js";
import { makeSchedule, type Schedule } from "../../runtime/scheduler.js";
import { importBytes, recognized } from "../recognize/models.js";
import { cli } from "../support/cli.js";
import { buildFlux2 } from "../support/flux2-builder.js";
import {
  PIPELINE_SIZE,
  PIPELINE_STYLE,
  promptIds,
  TEXT_TOKENS,
  textState,
  writeFlux2Pipeline,
} from "../support/flux2-pipeline.js";
import { modelFiles } from "../support/model-files.js";
import { randomFloats } from "../support/random.js";
import { relativeError } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

const MODEL = recognized(importBytes(buildFlux2(PIPELINE_STYLE, PIPELINE_SIZE, 5))).model as ModelDescription;
const { sampling, latents: layout } = familyOf(MODEL);
const SCHEDULER = readSchedulerConfig({ use_dynamic_shifting: true, shift: 3 });

describe("the schedule of FLUX.2", () => {
  it.each([
    [1024, 4, 2.03069],
    [1024, 50, 1.70196],
    [4096, 4, 2.29118],
    [4096, 28, 2.15144],
    [4096, 50, 2.02335],
    [8192, 50, 0.00016927 * 8192 + 0.45666666],
  ])("shifts %i tokens in %i steps by mu %f", (tokens, steps, mu) => {
    expect(sampling.dynamicShift?.(tokens, steps)).toBeCloseTo(mu, 5);
  });

  it.each([
    [1024, [1, 0.958085, 0.883982, 0.717497, 0]],
    [4096, [1, 0.967384, 0.908144, 0.7672, 0]],
  ])("has the pipeline's four sigmas at %i tokens", (imageTokens, wanted) => {
    const { sigmas } = makeSchedule(SCHEDULER, { steps: 4, imageTokens, model: MODEL });
    for (const [i, sigma] of wanted.entries()) expect(sigmas[i]).toBeCloseTo(sigma, 5);
  });

  it.each([
    [1024, 0.100664],
    [4096, 0.133719],
  ])("ends where the pipeline does at %i tokens in 50 steps", (imageTokens, last) => {
    const { sigmas } = makeSchedule(SCHEDULER, { steps: 50, imageTokens, model: MODEL });
    expect(sigmas[49]).toBeCloseTo(last, 5);
  });

  it("leaves the shift of FLUX.1 to its configuration", () => {
    const flux1 = { ...MODEL, family: "flux1", pooledDim: 8 } as ModelDescription;
    const own = makeSchedule(SCHEDULER, { steps: 4, imageTokens: 1024, model: flux1 });
    expect(own).toEqual(makeSchedule(SCHEDULER, { steps: 4, imageTokens: 1024 }));
  });
});

describe("how FLUX.2 is drawn where nobody says", () => {
  it("follows from guidance and from what the pipeline says of distillation", () => {
    const rules = (guidance: boolean, distilled: boolean | null) =>
      sampling.stepsAndGuidance({ ...MODEL, guidance }, 8, distilled);
    expect(rules(false, null)).toEqual({ steps: 4, guidance: null });
    expect(rules(false, true)).toEqual({ steps: 4, guidance: null });
    expect(rules(false, false)).toEqual({ steps: 50, guidance: 4 });
    expect(rules(true, null)).toEqual({ steps: 50, guidance: 4 });
  });
});

describe("latents and positions of FLUX.2", () => {
  const geometry = layout.geometry(32, 48, 32, 8);

  it("are patches already: what the VAE has in channels is a token's", () => {
    expect(geometry).toMatchObject({ channels: 128, latentHeight: 2, latentWidth: 3, imageTokens: 6 });
    const plain = randomFloats(3, 6 * 128);
    const packed = layout.pack(plain, geometry);
    for (const [channel, token] of [
      [0, 0],
      [5, 1],
      [127, 5],
    ] as const)
      expect(packed[token * 128 + channel]).toBe(plain[channel * 6 + token]);
    expect(layout.unpack(packed, geometry)).toEqual(plain);
  });

  it("have four axes: time, row, column, and the text's own", () => {
    const sample = { geometry, context: new Float32Array(), pooled: new Float32Array(), guidance: 0 };
    const values = valuesOf({
      ...{ ...sample, model: MODEL, latents: new Float32Array(), contextTokens: 3 },
      timesteps: Float32Array.of(1),
    });
    expect([...values("img-ids")]).toEqual(
      [0, 1, 2, 3, 4, 5].flatMap((token) => [0, Math.floor(token / 3), token % 3, 0]),
    );
    expect([...values("txt-ids")]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    expect(() => values("pooled")).toThrow(/flux2 has no input that is its pooled/);
  });
});

describe("a picture of FLUX.2", () => {
  const SIDE = { width: 8, height: 6 };
  const geometry = layout.geometry(SIDE.height, SIDE.width, 2, 1);
  const noise = randomFloats(11, geometry.imageTokens * geometry.packedChannels);

  /** What the text encoder gives for a prompt: padding is masked, and read by the transformer. */
  function contextOf(words: readonly string[]): Float32Array {
    const ids = promptIds(words);
    const width = PIPELINE_SIZE.contextDim;
    return Float32Array.from({ length: TEXT_TOKENS * width }, (_, i) => {
      const token = Math.floor(i / width);
      return textState(ids[token] ?? 0, token >= ids.length, i % width);
    });
  }

  /** Euler's method with velocities of the interpreter. */
  function drawn(
    folder: string,
    schedule: Schedule,
    texts: readonly Float32Array[],
    scale: number,
  ): Float32Array {
    const graph = recognize(importOnnx(join(folder, "transformer", "model.onnx")), reader);
    let x = noise;
    for (const [i, timestep] of schedule.modelTimesteps.entries()) {
      const [prompt = new Float32Array(), other] = texts.map((context) => {
        const values = valuesOf({
          ...{ model: MODEL, geometry, latents: x, context, contextTokens: TEXT_TOKENS },
          ...{ pooled: new Float32Array(), guidance: 0, timesteps: Float32Array.of(timestep) },
        });
        const inputs = Object.entries(MODEL.roles).map(([id, role]): [string, Tensor] => {
          const data = values(role);
          const width = { latents: 8, context: PIPELINE_SIZE.contextDim, "img-ids": 4, "txt-ids": 4 }[
            role as "latents"
          ];
          const rows = width === undefined ? [1] : [data.length / width, width];
          return [
            id,
            { dtype: "f32", shape: /ids/.test(role) || width === undefined ? rows : [1, ...rows], data },
          ];
        });
        return interpret(graph, new Map(inputs), { reader }).get(graph.outputs[0] ?? "")
          ?.data as Float32Array;
      });
      const delta = (schedule.sigmas[i + 1] ?? 0) - (schedule.sigmas[i] ?? 0);
      const velocity = prompt.map((v, k) =>
        other === undefined ? v : (other[k] ?? 0) + scale * (v - (other[k] ?? 0)),
      );
      x = x.map((value, k) => value + delta * (velocity[k] ?? 0));
    }
    return x;
  }

  async function bundleOf(name: string, distilled: boolean): Promise<{ folder: string; bundle: string }> {
    const folder = writeFlux2Pipeline(join(files.root, name), distilled);
    const bundle = join(files.root, `${name}-bundle`);
    const settings = [
      "--target",
      "cpu",
      "--ternarize",
      "none",
      "--activations",
      "f32",
      "--resolution",
      "8x6",
    ];
    const { code, stderr } = await cli(["compile", folder, ...settings, "-o", bundle]);
    expect(stderr).not.toMatch(/TRITC_E_/);
    expect(code).toBe(0);
    return { folder, bundle };
  }

  const asTensor = (data: Float32Array): Tensor => ({ dtype: "f32", shape: [data.length], data });

  async function generated(bundle: string, options: Omit<GenerateOptions, "latents">) {
    const generator = await openGenerator(bundle, { threads: 2 });
    try {
      return await generator.generate({ ...options, latents: noise });
    } finally {
      await generator.close();
    }
  }

  it("of a distilled model takes four steps of one pass", async () => {
    const { folder, bundle } = await bundleOf("distilled", true);
    const picture = await generated(bundle, { prompt: "red circle" });
    expect(picture).toMatchObject({ steps: 4, ...SIDE });
    expect(readFileSync(join(bundle, "index.d.ts"), "utf8")).not.toMatch(/negativePrompt|guidance/);
    const schedule = makeSchedule(SCHEDULER, { steps: 4, imageTokens: 12, model: MODEL });
    const wanted = drawn(folder, schedule, [contextOf(["red", "circle"])], 0);
    expect(relativeError(asTensor(picture.latents), asTensor(wanted))).toBeLessThan(2e-5);
  });

  it("of a base model is guided by two passes, away from nothing or from a negative prompt", async () => {
    const { folder, bundle } = await bundleOf("base", false);
    expect(readFileSync(join(bundle, "index.d.ts"), "utf8")).toContain("readonly negativePrompt?: string");
    const schedule = makeSchedule(SCHEDULER, { steps: 3, imageTokens: 12, model: MODEL });
    const red = contextOf(["red", "circle"]);
    const plain = await generated(bundle, { prompt: "red circle", steps: 3 });
    const wanted = drawn(folder, schedule, [red, contextOf([])], 4);
    expect(relativeError(asTensor(plain.latents), asTensor(wanted))).toBeLessThan(5e-5);
    const options = { prompt: "red circle", negativePrompt: "blue", guidance: 2.5, steps: 3 };
    const steps: number[] = [];
    const away = await generated(bundle, { ...options, onStep: ({ step }) => steps.push(step) });
    const other = drawn(folder, schedule, [red, contextOf(["blue"])], 2.5);
    expect(relativeError(asTensor(away.latents), asTensor(other))).toBeLessThan(5e-5);
    expect(steps).toEqual([1, 2, 3]);
    expect(relativeError(asTensor(other), asTensor(wanted))).toBeGreaterThan(1e-3);
    expect(new TextDecoder("latin1").decode(away.png)).toContain("negativePrompt");
    const heun = await generated(bundle, { ...options, sampler: "heun" });
    expect(relativeError(asTensor(heun.latents), asTensor(other))).toBeGreaterThan(1e-5);
  });

  it("of a base model compiled without its pipeline is drawn as the pipeline given later says", async () => {
    const folder = writeFlux2Pipeline(join(files.root, "given"), false);
    const alone = join(files.root, "alone.onnx");
    copyFileSync(join(folder, "transformer", "model.onnx"), alone);
    const bundle = join(files.root, "alone-bundle");
    const settings = ["--ternarize", "none", "--activations", "f32", "--quiet"];
    expect(await cli(["compile", alone, "--target", "cpu", ...settings, "-o", bundle])).toMatchObject({
      code: 0,
    });
    const generator = await openGenerator(bundle, { threads: 2, pipeline: folder });
    try {
      const options = { prompt: "red circle", guidance: 2.5, textLength: TEXT_TOKENS };
      expect(generator.metadata(options)).toMatchObject({ steps: "50", guidance: "2.5" });
      const { latents } = await generator.generate({ ...options, steps: 3, latents: noise, ...SIDE });
      const schedule = makeSchedule(SCHEDULER, { steps: 3, imageTokens: 12, model: MODEL });
      const wanted = drawn(folder, schedule, [contextOf(["red", "circle"]), contextOf([])], 2.5);
      expect(relativeError(asTensor(latents), asTensor(wanted))).toBeLessThan(5e-5);
    } finally {
      await generator.close();
    }
  });

  it("is drawn after PNG files, as large as the first; what was not planned for is said", async () => {
    const { folder, bundle } = await bundleOf("pictures", true);
    const png = (name: string, width: number, height: number) => {
      const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i) % 251);
      writeFileSync(join(files.root, name), encodePng({ rgb, width, height }));
      return ["--image", join(files.root, name)];
    };
    const images = [...png("first.png", 64, 67), ...png("second.png", 70, 64)];
    const out = join(files.root, "after.png");
    const run = (...more: readonly string[]) =>
      cli(["run", bundle, "--prompt", "red circle", "--steps", "1", "--threads", "2", "-o", out, ...more]);
    const { code, stderr } = await run(...images);
    expect(stderr).toMatch(/64x66 is none of the sizes this bundle was planned for: 8x6/);
    // 32x33 and 35x32 tokens of 2x2 pixels.
    expect(stderr).toMatch(
      /--image takes 2176 image tokens, and this bundle was planned for 0: compile with --references/,
    );
    expect(code).toBe(0);
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    const { metadata, ...drawn } = decodePng(readFileSync(out));
    expect(drawn).toMatchObject({ width: 64, height: 66 });
    expect(metadata).toMatchObject({ size: "64x66", image: hash, image2: hash });
    const alone = await run(...images.slice(0, 2));
    expect(alone.code).toBe(0);
    expect(decodePng(readFileSync(out)).rgb).not.toEqual(drawn.rgb);
    const many = await run(...Array.from({ length: 11 }, () => images.slice(0, 2)).flat());
    expect(many).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/at most 10 of --image[\s\S]*found: {4}11/),
    });
    rmSync(join(folder, "vae_encoder"), { recursive: true });
    const lacking = await run(...images, "--pipeline", folder);
    expect(lacking).toMatchObject({ code: 1, stderr: expect.stringMatching(/vae_encoder.model\.onnx/) });
    const planned = join(files.root, "planned-bundle");
    const settings = ["--target", "cpu", "--ternarize", "none", "--resolution", "8x6", "--references", "1"];
    const compiled = await cli(["compile", folder, ...settings, "-o", planned]);
    // A megapixel of 2x2 pixels a token.
    expect(compiled.stdout).toMatch(/262,?144 tokens of references/);
  });

  it("needs a pipeline of its family", async () => {
    const { bundle } = await bundleOf("foreign", true);
    const shapes = join(import.meta.dirname, "..", "models", "shapes");
    await expect(openGenerator(bundle, { pipeline: shapes })).rejects.toThrow(/such as Flux2KleinPipeline/);
  });
});
