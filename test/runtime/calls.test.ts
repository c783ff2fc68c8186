/** The calls of Diffusers' pipelines, from embeddings and noise to the last latents, held against what they made of them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { familyOf } from "../../ir/models/index.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { asPipelineSays, type Drawer, type DrawRequest, draw } from "../../runtime/pipeline/draw.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import type { PipelineModels } from "../../runtime/pipeline/pipeline-models.js";
import { requireSampler } from "../../runtime/sampler.js";

const CALLS = join(import.meta.dirname, "calls");
const tensors = parseSafetensors(new Uint8Array(readFileSync(join(CALLS, "calls.safetensors"))));
const folder = mkdtempSync(join(tmpdir(), "tritc-calls-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A tensor's values, f32 whatever they are stored in. */
function values(name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`the fixture has no ${name}`);
  return Float32Array.from(tensor.data, Number);
}

function picture(width: number, height: number, kind: number): Picture {
  const level = (x: number, y: number, c: number) =>
    (x * (5 + kind) + y * (3 + 2 * kind) + c * 40 + ((x * y) % 17)) % 256;
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return level(pixel % width, Math.floor(pixel / width), i % 3);
  });
  return { rgb, width, height };
}

/** The networks around a transformer, with the fixture's answers to what the pipelines asked them. */
function modelsOf(family: "flux1" | "flux2", className: string, pictures: readonly string[]): PipelineModels {
  const given = [...pictures];
  return {
    schedulerConfig: readSchedulerConfig({ use_dynamic_shifting: true, shift: 3 }),
    vaeConfig: {
      ...{ latentChannels: family === "flux1" ? 4 : 2, vaeScale: 8, sampleSize: null },
      ...{ scalingFactor: 1, shiftFactor: 0 },
    },
    distilled: null,
    className,
    async encode(prompt) {
      const which = prompt === "" ? "negative_" : "";
      const context = values(`${family}.${which}context`);
      const pooled = family === "flux1" ? values(`${family}.${which}pooled`) : new Float32Array();
      const contextTokens = context.length / 12;
      return { context, contextTokens, contextWidth: 12, pooled, pooledWidth: pooled.length };
    },
    async encodePicture(planes, height, width) {
      const name = given.shift() ?? "no picture more";
      expect(tensors.get(`${name}.planes`)?.shape).toEqual([3, height, width]);
      const bytes = planes.map((value) => (value / 2 + 0.5) * 255);
      const wanted = values(`${name}.planes`);
      expect(bytes.findIndex((value, i) => Math.abs(value - (wanted[i] ?? 0)) > 1e-3)).toBe(-1);
      return values(`${name}.encoded`);
    },
    decode: async (_, height, width) => ({ rgb: new Uint8Array(height * width * 3), height, width }),
    close: async () => undefined,
  };
}

const opened: (Device | LoadedProgram)[] = [];
afterAll(async () => {
  for (const thing of opened.reverse()) await thing.close();
});

/** What draws with a transformer of the fixture. */
async function drawerOf(family: "flux1" | "flux2"): Promise<Omit<Drawer, "models">> {
  const out = join(folder, family);
  await compileModel({
    ...{ input: join(CALLS, family), out, target: "cpu", ternarize: "none", activations: "f32" },
    resolutions: [{ width: 48, height: 32 }],
  });
  const bundle = await openBundle(out);
  const { program, code, weights, manifest } = bundle;
  const { sampling } = manifest;
  if (sampling === null || sampling.condition === null) throw new Error("this model can be drawn with");
  const device = await openDevice("cpu", { threads: 1 });
  const loaded = await device.load(program, code, weights);
  opened.push(device, loaded);
  return {
    ...{ place: out, program, model: requireSampler(program), sampling, condition: sampling.condition },
    ...{ size: { width: 48, height: 32 }, own: false, remedy: "none", withProgram: (use) => use(loaded) },
    close: () => Promise.resolve(),
  };
}

let drawers: Readonly<Record<"flux1" | "flux2", Omit<Drawer, "models">>>;
beforeAll(async () => {
  drawers = { flux1: await drawerOf("flux1"), flux2: await drawerOf("flux2") };
});

/** Draws a case; how far its last latents are from the pipeline's, relative. */
async function drawn(
  name: string,
  family: "flux1" | "flux2",
  className: string,
  request: Omit<DrawRequest, "prompt" | "latents">,
  pictures: readonly string[] = [],
) {
  const models = modelsOf(family, className, pictures);
  const drawer = drawers[family];
  const steps: number[] = [];
  const result = await draw(
    { ...drawer, models, ...asPipelineSays(drawer, models) },
    { ...request, prompt: "p", latents: values(`${name}.noise`), onStep: ({ step }) => steps.push(step) },
  );
  const wanted = values(`${name}.result`);
  expect(result.latents).toHaveLength(wanted.length);
  expect(steps).toEqual(Array.from({ length: result.steps }, (_, i) => i + 1));
  const norm = (of: Float32Array) => Math.sqrt(of.reduce((sum, value) => sum + value * value, 0));
  const error = norm(result.latents.map((value, i) => value - (wanted[i] ?? 0))) / norm(wanted);
  return { ...result, error };
}

const CLOSE = 1e-5;

describe("FLUX.1", () => {
  it("is guided away from a negative prompt as by true_cfg_scale", async () => {
    const request = { steps: 3, guidance: 1.5, trueCfgScale: 3, negativePrompt: "" };
    expect((await drawn("negative", "flux1", "FluxPipeline", request)).error).toBeLessThan(CLOSE);
    const { error } = await drawn("negative", "flux1", "FluxPipeline", { ...request, trueCfgScale: 2.9 });
    expect(error).toBeGreaterThan(100 * CLOSE);
  });

  it("begins with a picture", async () => {
    const image = picture(60, 44, 1);
    const request = { steps: 5, guidance: 3.5, image };
    const usual = await drawn("begun", "flux1", "FluxPipeline", request, ["begun"]);
    expect(usual.error).toBeLessThan(CLOSE);
    expect(usual.steps).toBe(3);
    const same = await drawn("begun", "flux1", "FluxPipeline", { ...request, strength: 0.6 }, ["begun"]);
    expect(same.latents).toEqual(usual.latents);
    const more = await drawn("begun", "flux1", "FluxPipeline", { ...request, strength: 0.81 }, ["begun"]);
    expect(more.steps).toBe(5);
    expect(more.error).toBeGreaterThan(100 * CLOSE);
  });

  it("draws over where a mask is white, and leaves the picture elsewhere", async () => {
    const request = {
      steps: 5,
      guidance: 3.5,
      strength: 0.6,
      image: picture(60, 44, 1),
      mask: picture(70, 50, 2),
    };
    const { error, latents } = await drawn("masked", "flux1", "FluxPipeline", request, ["masked"]);
    expect(error).toBeLessThan(CLOSE);
    const kept = values("masked.encoded").filter((value, i) => Math.abs(value - (latents[i] ?? 0)) < 1e-6);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(latents.length);
  });

  it("of Kontext draws after a picture, and is told by its pipeline alone", async () => {
    const request = { steps: 3, guidance: 2.5, image: picture(70, 37, 3), autoResize: false };
    const { error } = await drawn("kontext", "flux1", "FluxKontextPipeline", request, ["kontext"]);
    expect(error).toBeLessThan(CLOSE);
    const two = { ...request, image: [picture(70, 37, 3), picture(64, 64, 5)] };
    await expect(drawn("kontext", "flux1", "FluxKontextPipeline", two)).rejects.toThrow(
      /at most 1 of --image/,
    );
  });
});

describe("FLUX.2", () => {
  it("draws after two pictures, as large as the first", async () => {
    const image = [picture(70, 83, 4), picture(64, 64, 5)];
    const pictures = ["references.0", "references.1"];
    const result = await drawn("references", "flux2", "Flux2KleinPipeline", { steps: 2, image }, pictures);
    expect(result.error).toBeLessThan(CLOSE);
    expect(result).toMatchObject({ width: 64, height: 80 });
    const size = { width: 64, height: 80 };
    const swapped = drawn(
      "references",
      "flux2",
      "Flux2KleinPipeline",
      { ...size, steps: 2, image: image.reverse() },
      pictures,
    );
    await expect(swapped).rejects.toThrow(/3, 80, 64/);
  });

  it("of a base model is guided by two passes above a scale of 1, which both see the picture", async () => {
    const drawer = drawers.flux2;
    drawers = { ...drawers, flux2: { ...drawer, sampling: { ...drawer.sampling, guidance: 4 } } };
    const image = picture(64, 64, 5);
    const size = { width: 48, height: 32, steps: 2, negativePrompt: "" };
    const guided = await drawn("guided", "flux2", "Flux2KleinPipeline", { ...size, image }, ["guided.0"]);
    expect(guided.error).toBeLessThan(CLOSE);
    const plain = await drawn("unguided", "flux2", "Flux2KleinPipeline", { ...size, guidance: 1 });
    expect(plain.error).toBeLessThan(CLOSE);
    const less = await drawn("unguided", "flux2", "Flux2KleinPipeline", { ...size, guidance: 0.5 });
    expect(less.latents).toEqual(plain.latents);
    drawers = { ...drawers, flux2: drawer };
  });

  it("draws after no picture where the export has tokens for its own alone", async () => {
    const drawer = drawers.flux2;
    const inputs = drawer.program.inputs.map((port) =>
      port.role === "latents" ? { ...port, shape: [6, 8] } : port,
    );
    drawers = { ...drawers, flux2: { ...drawer, program: { ...drawer.program, inputs } } };
    const fixed = drawn("unguided", "flux2", "Flux2KleinPipeline", { steps: 2, image: picture(64, 64, 5) });
    await expect(fixed).rejects.toThrow(/found: {4}6 image tokens[\s\S]*leave --image out/);
    drawers = { ...drawers, flux2: drawer };
  });

  it("refuses a scale of true guidance, and pictures that are too small", async () => {
    const scale = drawn("unguided", "flux2", "Flux2KleinPipeline", { trueCfgScale: 3, negativePrompt: "b" });
    await expect(scale).rejects.toMatchObject({ code: "TRITC_E_GUIDANCE", exitCode: 2 });
    const small = drawn("unguided", "flux2", "Flux2KleinPipeline", { image: picture(48, 80, 1) });
    await expect(small).rejects.toMatchObject({ code: "TRITC_E_CONDITION", message: /found: {4}48x80/ });
  });
});

describe("sizes of pictures that are drawn after", () => {
  const sizes = JSON.parse(readFileSync(join(CALLS, "sizes.json"), "utf8")) as Record<string, number[][]>;
  it.each([
    ["kontext", "flux1", true],
    ["kontextOwn", "flux1", false],
    ["flux2", "flux2", true],
  ] as const)("are those of the pipelines: %s", (name, family, resize) => {
    const rules = familyOf(drawers[family].model).sampling.references;
    expect(sizes[name]?.length).toBeGreaterThan(10);
    for (const [width = 0, height = 0, ...wanted] of sizes[name] ?? []) {
      const fit = rules?.fit({ width, height }, 16, resize);
      const [w, h, cutWidth = w, cutHeight = h] = wanted;
      expect([width, height, fit], `${width}x${height}`).toEqual([
        ...[width, height],
        w === 0
          ? undefined
          : { scaled: { width: w, height: h }, cut: { width: cutWidth, height: cutHeight } },
      ]);
      expect((fit?.cut.width ?? 0) * (fit?.cut.height ?? 0)).toBeLessThanOrEqual(
        resize ? (rules?.largest.width ?? 0) * (rules?.largest.height ?? 0) : width * height,
      );
    }
  });
});
