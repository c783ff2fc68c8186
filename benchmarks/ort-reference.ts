/**
 * The independent yardstick: a whole FLUX pipeline in ONNX Runtime, every layer in the exported precision,
 * with the same noise, schedule and Euler steps as the compiled one.
 */
import { join } from "node:path";
import { batchAxesOf, recognize } from "../compiler/compile-graph.js";
import { fileReader } from "../compiler/file-reader.js";
import { importOnnx } from "../compiler/onnx/index.js";
import { evaluateDim } from "../ir/dim.js";
import { shapeOf } from "../ir/graph/graph.js";
import { familyOf, type LatentGeometry, roleOf, valuesOf } from "../ir/models/index.js";
import { openOrtSession } from "../runtime/node/ort-session.js";
import { type EncodedPrompt, openPipelineModels } from "../runtime/node/pipeline-models.js";
import { initialLatents } from "../runtime/noise.js";
import type { HostTensor } from "../runtime/pipeline/network.js";
import type { Picture } from "../runtime/pipeline/picture.js";
import { makeSchedule } from "../runtime/scheduler.js";

export interface OrtJob {
  readonly prompt: string;
  readonly seed: number;
}

export interface OrtSampleOptions {
  readonly steps: number;
  /** Models that read no scale are guided by two passes, unless it is 1. */
  readonly guidance: number;
  /** Pixels; 64x64, the shapes model's size, if absent. */
  readonly height?: number;
  readonly width?: number;
}

export interface OrtSample {
  /** [imageTokens, packedChannels] final latents. */
  readonly latents: Float32Array;
  readonly picture: Picture;
}

/** The noise level that a velocity is asked for at, and the sizes. */
interface Noised {
  readonly geometry: LatentGeometry;
  readonly timestep: number;
  readonly guidance: number;
}

export interface OrtSampler {
  /** Samples several prompts at once along the batch axis. */
  sample(jobs: readonly OrtJob[], options: OrtSampleOptions): Promise<OrtSample[]>;
  close(): Promise<void>;
}

/**
 * @param modelDir folder of the transformer's `model.onnx`
 * @param pipelineDir pipeline folder of the encoders, VAE and scheduler
 */
export async function openOrtSampler(
  modelDir: string,
  pipelineDir: string,
  threads?: number,
): Promise<OrtSampler> {
  const file = join(modelDir, "model.onnx");
  // Recognition says what inputs mean; what computes is the file as it was exported.
  const imported = importOnnx(file);
  const reader = fileReader();
  const graph = recognize(imported, reader);
  reader.close();
  const batchAxes = batchAxesOf(imported, graph);
  const takesOne = imported.inputs.some(
    (id) => batchAxes.get(id) === 0 && typeof shapeOf(imported, id)[0] === "number",
  );
  const { model } = graph;
  if (model === undefined) throw new Error(`${file} is no transformer of a known family`);
  const pipeline = await openPipelineModels(pipelineDir, { threads, model });
  const transformer = await openOrtSession(file, { threads });

  /** What is predicted for samples that lie one behind the other. */
  const velocity = async (
    texts: readonly EncodedPrompt[],
    x: Float32Array,
    at: Noised,
  ): Promise<Float32Array> => {
    const { geometry, timestep, guidance } = at;
    const size = x.length / texts.length;
    if (takesOne && texts.length > 1) {
      const each: Float32Array[] = [];
      for (const [b, text] of texts.entries())
        each.push(await velocity([text], x.subarray(b * size, (b + 1) * size), at));
      return concat(each);
    }
    const values = texts.map((text, b) =>
      valuesOf({
        ...{ ...text, model, geometry, guidance, timesteps: Float32Array.of(timestep) },
        latents: x.subarray(b * size, (b + 1) * size),
      }),
    );
    const bindings = { img_tokens: geometry.imageTokens, txt_tokens: texts[0]?.contextTokens ?? 0 };
    const feeds = graph.inputs.map((id): [string, HostTensor] => {
      const role = roleOf(model, id);
      if (role === null) throw new Error(`no value for ${id}`);
      const shape = shapeOf(graph, id).map((dim) => evaluateDim(dim, bindings));
      const parts = values.map((value) => value(role));
      return batchAxes.get(id) === 0
        ? [id, { data: concat(parts), shape: [texts.length, ...shape.slice(1)] }]
        : [id, { data: concat(parts.slice(0, 1)), shape }];
    });
    const [found] = (await transformer.run(Object.fromEntries(feeds))).values();
    if (found === undefined || found.data.length !== x.length) throw new Error("no velocity came back");
    return found.data;
  };

  return {
    async sample(jobs, { steps, guidance, height = 64, width = 64 }) {
      const { latentChannels, vaeScale } = pipeline.vaeConfig;
      const layout = familyOf(model).latents;
      const geometry = layout.geometry(height, width, latentChannels, vaeScale);
      const { imageTokens } = geometry;
      const schedule = makeSchedule(pipeline.schedulerConfig, { steps, imageTokens, model });
      const texts: EncodedPrompt[] = [];
      for (const { prompt } of jobs) texts.push(await pipeline.encode(prompt));
      if (texts.length === 0) return [];
      const twoPasses = !model.guidance && guidance !== 1;
      const nothing = twoPasses ? jobs.map(() => pipeline.encode("")) : [];
      const others = await Promise.all(nothing);
      const x = concat(jobs.map(({ seed }) => initialLatents(seed, geometry, 0, layout)));
      for (const [i, timestep] of schedule.modelTimesteps.entries()) {
        const at = { geometry, timestep, guidance };
        const v = await velocity(texts, x, at);
        const u = twoPasses ? await velocity(others, x, at) : v;
        const delta = Math.fround((schedule.sigmas[i + 1] ?? 0) - (schedule.sigmas[i] ?? 0));
        for (let j = 0; j < x.length; j++) {
          const [given, plain] = [v[j] ?? 0, u[j] ?? 0];
          const guided = twoPasses ? plain + guidance * (given - plain) : given;
          x[j] = (x[j] ?? 0) + Math.fround(delta * guided);
        }
      }
      const size = imageTokens * geometry.packedChannels;
      const samples: OrtSample[] = [];
      for (let b = 0; b < jobs.length; b++) {
        const latents = x.slice(b * size, (b + 1) * size);
        samples.push({ latents, picture: await pipeline.decode(latents, height, width) });
      }
      return samples;
    },
    async close() {
      await transformer.close();
      await pipeline.close();
    },
  };
}

/** One picture, start to end. */
export async function ortSample(
  modelDir: string,
  pipelineDir: string,
  prompt: string,
  seed: number,
  steps: number,
  guidance: number,
): Promise<OrtSample> {
  const sampler = await openOrtSampler(modelDir, pipelineDir);
  try {
    const [sample] = await sampler.sample([{ prompt, seed }], { steps, guidance });
    if (sample === undefined) throw new Error("no sample came back");
    return sample;
  } finally {
    await sampler.close();
  }
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
