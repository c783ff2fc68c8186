/**
 * The independent yardstick: a whole FLUX pipeline in ONNX Runtime, every layer in the exported precision,
 * with the same noise, schedule and Euler steps as the compiled one.
 */
import { join } from "node:path";
import { imageIds, latentGeometry, textIds } from "../ir/models/flux1/latents.js";
import { type HostTensor, openOrtSession } from "../runtime/node/ort-session.js";
import type { Picture } from "../runtime/node/picture.js";
import { openPipelineModels } from "../runtime/node/pipeline-models.js";
import { initialLatents } from "../runtime/noise.js";
import { makeSchedule } from "../runtime/scheduler.js";

export interface OrtJob {
  readonly prompt: string;
  readonly seed: number;
}

export interface OrtSampleOptions {
  readonly steps: number;
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
  const pipeline = await openPipelineModels(pipelineDir, { threads });
  const transformer = await openOrtSession(join(modelDir, "model.onnx"), { threads });
  const idRank = transformer.inputs.find((input) => input.name === "img_ids")?.shape.length ?? 2;

  return {
    async sample(jobs, { steps, guidance, height = 64, width = 64 }) {
      const { latentChannels, vaeScale } = pipeline.vaeConfig;
      const geometry = latentGeometry(height, width, latentChannels, vaeScale);
      const schedule = makeSchedule(pipeline.schedulerConfig, { steps, imageTokens: geometry.imageTokens });
      const prompts = [];
      for (const { prompt } of jobs) prompts.push(await pipeline.encode(prompt));
      const [first] = prompts;
      if (first === undefined) return [];
      const batch = jobs.length;
      const size = geometry.imageTokens * geometry.packedChannels;
      const ids = (tokens: number, data: Float32Array): HostTensor =>
        idRank === 3
          ? { data: repeat(data, batch), shape: [batch, tokens, 3] }
          : { data, shape: [tokens, 3] };
      const constant = {
        encoder_hidden_states: {
          data: concat(prompts.map((p) => p.context)),
          shape: [batch, first.contextTokens, first.contextWidth],
        },
        pooled_projections: { data: concat(prompts.map((p) => p.pooled)), shape: [batch, first.pooledWidth] },
        img_ids: ids(geometry.imageTokens, imageIds(geometry)),
        txt_ids: ids(first.contextTokens, textIds(first.contextTokens)),
        guidance: { data: new Float32Array(batch).fill(guidance), shape: [batch] },
      };
      const x = concat(jobs.map(({ seed }) => initialLatents(seed, geometry)));
      for (const [i, timestep] of schedule.modelTimesteps.entries()) {
        const outputs = await transformer.run({
          ...constant,
          hidden_states: { data: x, shape: [batch, geometry.imageTokens, geometry.packedChannels] },
          timestep: { data: new Float32Array(batch).fill(timestep), shape: [batch] },
        });
        const [velocity] = outputs.values();
        if (velocity === undefined || velocity.data.length !== x.length)
          throw new Error("no velocity came back");
        const v = velocity.data;
        const delta = Math.fround((schedule.sigmas[i + 1] ?? 0) - (schedule.sigmas[i] ?? 0));
        for (let j = 0; j < x.length; j++) x[j] = (x[j] ?? 0) + Math.fround(delta * (v[j] ?? 0));
      }
      const samples: OrtSample[] = [];
      for (let b = 0; b < batch; b++) {
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

function repeat(part: Float32Array, times: number): Float32Array {
  return concat(new Array<Float32Array>(times).fill(part));
}
