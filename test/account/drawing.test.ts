import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type PipelineConfig, readPipelineConfig } from "../../compiler/bundle/pipeline-config.js";
import { resolutions } from "../../compiler/cli/options.js";
import { importAndRecognize } from "../../compiler/compile-graph.js";
import { drawingOf, largestSizes, sizesOf } from "../../compiler/drawing.js";
import { fileReader } from "../../compiler/file-reader.js";
import { imageTokens } from "../../compiler/resolutions.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { ModelDescription } from "../../ir/models/index.js";

const models = join(import.meta.dirname, "..", "models");
const reader = fileReader();
const dynamic = importAndRecognize(join(models, "shapes-ternary", "transformer"), reader);
const fixed = importAndRecognize(join(models, "import", "ts17-schnell-static"), reader);
reader.close();
const shapes = readPipelineConfig(join(models, "shapes"));

const size = (width: number, height: number) => ({ width, height });
const asked = resolutions("512x512, 1344x768,512x512");

/** The drawing of a model, which draws. */
function drawn(...of: Parameters<typeof drawingOf>): NonNullable<ReturnType<typeof drawingOf>> {
  const found = drawingOf(...of);
  if (found === null) throw new Error("the model draws nothing");
  return found;
}

/** The same graph with other channels, or without guidance. */
function withModel(
  graph: Graph,
  changes: Partial<Pick<ModelDescription, "inChannels" | "outChannels" | "guidance">>,
): Graph {
  if (graph.model === undefined) throw new Error("no model");
  return { ...graph, model: { ...graph.model, ...changes } };
}

/** Part of the pipeline's files, changed. */
function pipelineWith(vae: Partial<NonNullable<PipelineConfig["vae"]>>): PipelineConfig {
  if (shapes.vae === null) throw new Error("no VAE");
  return { ...shapes, vae: { ...shapes.vae, ...vae } };
}

describe("the sizes to plan for", () => {
  it("of a dynamic export are those asked for, each once", () => {
    const drawing = drawn(dynamic, { resolutions: asked });
    expect(drawing.resolutions).toEqual([size(512, 512), size(1344, 768)]);
    expect(sizesOf(drawing, size(1344, 768))).toEqual({ img_tokens: 84 * 48, txt_tokens: 512, steps: 50 });
    expect(largestSizes(drawing).img_tokens).toBe(84 * 48);
    expect(largestSizes(null)).toEqual({});
    expect(() => resolutions("512x512,,64x64")).toThrow(/1024x1024/);
  });

  it("are else the pipeline's, or Diffusers' 128 latents", () => {
    expect(drawn(dynamic, { pipeline: shapes }).resolutions).toEqual([size(64, 64)]);
    expect(drawn(dynamic).resolutions).toEqual([size(1024, 1024)]);
    const coarse = drawn(dynamic, { pipeline: { ...pipelineWith({ vaeScale: 16 }), sampleSize: null } });
    expect(coarse.resolutions).toEqual([size(2048, 2048)]);
    expect(coarse.sampling.pixelsPerToken).toBe(32);
    // A size that no grid fits is cut to one.
    const odd = drawn(dynamic, { pipeline: { ...shapes, sampleSize: 250 } });
    expect(odd.resolutions).toEqual([size(240, 240)]);
  });

  it("of a static export are its own and no other", () => {
    const drawing = drawn(fixed, { pipeline: shapes });
    const [own] = drawing.resolutions;
    const tokens = sizesOf(drawing, own).img_tokens;
    expect(imageTokens(own, 16)).toBe(tokens);
    expect(drawn(fixed, { resolutions: [own] }).resolutions).toEqual([own]);
    const other = size(own.width + 16, own.height);
    expect(() => drawingOf(fixed, { resolutions: [own, other] })).toThrow(
      new RegExp(`--resolution ${other.width}x${other.height}[\\s\\S]*${tokens} image tokens`),
    );
  });

  it("of a static export without a square are the nearest to one", () => {
    const { types, inputs } = fixed;
    const latents = inputs.find((id) => fixed.model?.roles[id] === "latents") ?? "";
    const channels = fixed.model?.inChannels ?? 0;
    const wide: Graph = {
      ...fixed,
      types: new Map([...types, [latents, { dtype: "f32", shape: [1, 24, channels] }]]),
    };
    expect(drawn(wide).resolutions).toEqual([size(96, 64)]);
  });

  it("are refused where no grid of tokens fits", () => {
    expect(() => drawingOf(dynamic, { resolutions: [size(64, 60)] })).toThrow(/64x60[\s\S]*use 64x64/);
    const coarse = pipelineWith({ vaeScale: 16 });
    expect(() => drawingOf(dynamic, { resolutions: [size(48, 64)], pipeline: coarse })).toThrow(
      /of 32 pixels/,
    );
  });

  it("of a graph that draws nothing are none", () => {
    const { model: _, ...generic } = dynamic;
    expect(drawingOf(generic, { resolutions: asked })).toBeNull();
  });
});

describe("how a model is sampled by default", () => {
  it.each([
    ["dev", dynamic, { steps: 50, guidance: 3.5, condition: "none" }],
    ["schnell", withModel(dynamic, { guidance: false }), { steps: 4, guidance: null, condition: "none" }],
    ["Fill", withModel(dynamic, { inChannels: 384 }), { steps: 50, guidance: 30, condition: "fill" }],
    [
      "Canny and Depth",
      withModel(dynamic, { inChannels: 128 }),
      { steps: 28, guidance: 3.5, condition: "control" },
    ],
    [
      "channels of no known kind",
      withModel(dynamic, { inChannels: 96 }),
      { steps: 50, guidance: 3.5, condition: null },
    ],
  ])("is that of its kind: %s", (_, graph, expected) => {
    expect(drawn(graph).sampling).toMatchObject(expected);
  });

  it("finds the mask's channels by the VAE's factor", () => {
    const pipeline = pipelineWith({ vaeScale: 4, latentChannels: 16 });
    const graph = withModel(dynamic, { inChannels: 64 + 64 + 4 * 4 * 4 });
    expect(drawn(graph, { pipeline }).sampling.condition).toBe("fill");
    expect(drawn(graph, { pipeline: shapes }).sampling.condition).toBeNull();
    // Without a VAE the mask itself says how many pixels a latent has.
    expect(drawn(graph).sampling).toMatchObject({ condition: "fill", pixelsPerToken: 8 });
  });

  it("is of Kontext where the pipeline says so, with a picture to draw after planned for", () => {
    const kontext = { ...shapes, className: "FluxKontextPipeline" };
    const tokens = (800 * 1328) / 16 ** 2;
    const found = drawn(dynamic, { pipeline: kontext });
    expect(found.sampling).toMatchObject({ steps: 28, guidance: 3.5, condition: "reference" });
    expect(found.sampling.referenceTokens).toBe(tokens);
    expect(found.reference).toEqual({ width: 800, height: 1328 });
    const beside = drawn(dynamic, { pipeline: kontext, references: 0 });
    expect(beside.reference).toBeUndefined();
    expect(largestSizes(found).img_tokens).toBe((largestSizes(beside).img_tokens ?? 0) + tokens);
    expect(drawn(dynamic, { pipeline: shapes }).sampling).toMatchObject({
      condition: "none",
      referenceTokens: 0,
    });
    expect(() => drawingOf(dynamic, { pipeline: kontext, references: 2 })).toThrow(
      /--references 2[\s\S]*plan for 1/,
    );
    expect(() => drawingOf(dynamic, { references: 1 })).toThrow(/leave --references out/);
  });

  it("has the text length of the model, else of the request, the pipeline, FLUX", () => {
    expect(drawn(dynamic, { pipeline: shapes }).sampling.textLength).toBe(12);
    expect(drawn(dynamic, { pipeline: shapes, textLength: 9 }).sampling.textLength).toBe(9);
    expect(drawn(dynamic).sampling.textLength).toBe(512);
    const own = drawn(fixed, { pipeline: { ...shapes, textLength: 7 } }).sampling.textLength;
    expect(own).not.toBe(7);
    expect(drawn(fixed, { textLength: own }).sampling.textLength).toBe(own);
    expect(() => drawingOf(fixed, { textLength: own + 1 })).toThrow(
      new RegExp(`one text length[\\s\\S]*expected: ${own} tokens`),
    );
  });

  it("refuses the pipeline of a model with other channels", () => {
    expect(() => drawingOf(dynamic, { pipeline: pipelineWith({ latentChannels: 4 }) })).toThrow(
      /the pipeline's VAE is not the model's[\s\S]*expected: 16 latent channels[\s\S]*found: {4}4/,
    );
  });
});

describe("a pipeline's configuration", () => {
  const folder = mkdtempSync(join(tmpdir(), "tritc-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const copy = (name: string) => {
    const to = join(folder, name);
    cpSync(join(models, "shapes"), to, { recursive: true, filter: (from) => !/onnx|eval|README/.test(from) });
    return to;
  };
  const edit = (path: string, from: string, to: string) => {
    const text = readFileSync(path, "utf8");
    expect(text).toContain(from);
    writeFileSync(path, text.replace(from, to));
  };

  it("is the schedule, the VAE's factors, the picture's size and the text's length", () => {
    expect(shapes).toMatchObject({ sampleSize: 64, textLength: 12, scheduler: { useDynamicShifting: true } });
    expect(shapes.vae).toMatchObject({ vaeScale: 8, latentChannels: 16 });
  });

  it("takes the transformer's sample size in latents before the VAE's in pixels", () => {
    const at = copy("latents");
    edit(join(at, "transformer/config.json"), '"patch_size": 1', '"patch_size": 1, "sample_size": 32');
    expect(readPipelineConfig(at).sampleSize).toBe(256);
  });

  it("cuts a tokenizer's endless length to T5's", () => {
    const at = copy("endless");
    edit(join(at, "tokenizer_2/tokenizer_config.json"), "12", "1e30");
    expect(readPipelineConfig(at).textLength).toBe(512);
  });

  it.each([
    ["scheduler/scheduler_config.json", '"base_shift"', '"use_beta_sigmas": true, "base_shift"', /use_beta/],
    ["scheduler/scheduler_config.json", '"shift": 3.0', '"shift": -3.0', /shift/],
    ["scheduler/scheduler_config.json", "{", "", /scheduler_config\.json/],
    ["vae_decoder/config.json", '"latent_channels": 16', '"latent_channels": 0', /latent_channels/],
    ["vae_decoder/config.json", '"sample_size": 64', '"sample_size": "big"', /sample_size/],
    ["vae_decoder/config.json", "{", "[{", /vae_decoder/],
  ])("is refused where %s is broken: %s → %s", (file, from, to, message) => {
    const at = copy("broken");
    edit(join(at, file), from, to);
    expect(() => readPipelineConfig(at)).toThrow(TritcError);
    expect(() => readPipelineConfig(at)).toThrow(message);
    rmSync(at, { recursive: true });
  });
});
