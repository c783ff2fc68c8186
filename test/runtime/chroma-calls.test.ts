/** What Diffusers' ChromaPipeline draws from embeddings, masks and noise, held against it on every target. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { openDevice } from "../../runtime/node/open-device.js";
import { type Drawer, type DrawRequest, draw } from "../../runtime/pipeline/draw.js";
import type { PipelineModels } from "../../runtime/pipeline/pipeline-models.js";
import { requireSampler } from "../../runtime/sampler.js";
import { relativeError } from "../support/run-compiled.js";

const tensors = parseSafetensors(
  new Uint8Array(readFileSync(join(import.meta.dirname, "calls/chroma.safetensors"))),
);
const folder = mkdtempSync(join(tmpdir(), "tritc-chroma-calls-"));
afterAll(() => rmSync(folder, { recursive: true }));

function tensor(name: string): Tensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`the fixture has no ${name}`);
  return found;
}

/** The networks around the transformer, with the fixture's text. */
const models: PipelineModels = {
  schedulerConfig: readSchedulerConfig({ use_dynamic_shifting: true, shift: 3 }),
  vaeConfig: { latentChannels: 2, vaeScale: 8, sampleSize: null, scalingFactor: 1, shiftFactor: 0 },
  distilled: null,
  className: "ChromaPipeline",
  async encode(prompt) {
    const context = tensor(prompt === "" ? "negative_context" : "context").data as Float32Array;
    const shownTokens = prompt === "" ? 2 : 4;
    return {
      context,
      contextTokens: 7,
      contextWidth: 12,
      shownTokens,
      pooled: new Float32Array(),
      pooledWidth: 0,
    };
  },
  encodePicture: () => Promise.reject(new Error("there is no picture")),
  decode: async (_, height, width) => ({ rgb: new Uint8Array(height * width * 3), height, width }),
  close: async () => undefined,
};

describe.each(["cpu", "webgpu"])("ChromaPipeline, %s", (target) => {
  let device: Device | undefined;
  let drawer: Drawer | undefined;
  beforeAll(async () => {
    const out = join(folder, target);
    await compileModel({
      ...{ input: join(import.meta.dirname, "../models/chroma/diffusers"), out, target },
      ...{ ternarize: "none", activations: "f32", resolutions: [{ width: 48, height: 32 }] },
    });
    const { program, code, weights, manifest } = await openBundle(out);
    const { sampling } = manifest;
    if (sampling === null || sampling.condition === null) throw new Error("this model can be drawn with");
    device = await openDevice(target, { threads: 1, software: true });
    const loaded = await device.load(program, code, weights);
    drawer = {
      ...{
        place: out,
        program,
        model: requireSampler(program),
        sampling,
        condition: sampling.condition,
        models,
      },
      ...{ size: { width: 48, height: 32 }, own: false, remedy: "none", withProgram: (use) => use(loaded) },
      close: () => loaded.close(),
    };
  });
  afterAll(async () => {
    await drawer?.close();
    await device?.close();
  });

  it.each<[string, Partial<DrawRequest>]>([
    ["guided", { guidance: 4 }],
    ["plain", { guidance: 1 }],
    ["hidden", { guidance: 4, textPadding: "hidden" }],
  ])("%s", async (name, request) => {
    if (drawer === undefined) throw new Error("the model was not compiled");
    const noise = tensor("noise").data as Float32Array;
    const { latents } = await draw(drawer, { prompt: "p", steps: 3, latents: noise, ...request });
    const wanted = tensor(`${name}.result`);
    expect(relativeError({ ...wanted, data: latents }, wanted)).toBeLessThan(1e-5);
  });
});
