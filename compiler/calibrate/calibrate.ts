import { setImmediate } from "node:timers/promises";
import { checkWhole, outOfRange } from "../../ir/bounds.js";
import { evaluateDim } from "../../ir/dim.js";
import type { LatentGeometry } from "../../ir/models/index.js";
import { openPipelineModels, type PipelineModels } from "../../runtime/node/pipeline-models.js";
import { initialLatents } from "../../runtime/noise.js";
import { checkRequest } from "../../runtime/request.js";
import { makeSchedule, type Schedule } from "../../runtime/scheduler.js";
import { fileReader } from "../file-reader.js";
import type { Resolution } from "../resolutions.js";
import { type CalibrationDescription, describeCalibration, type Shard } from "./description.js";
import { guidanceOf, seedOf } from "./draws.js";
import { addMoments, type Moments, openMoments, writeMoments } from "./moments.js";
import { type CalibrationOutput, withCalibrationOutput } from "./output.js";
import { encodePart, partsOf, samplesOf } from "./parts.js";
import { drawTogether, type Start, weightsOf } from "./sampler.js";
import { readTeacher, requirePipelineOf, type Teacher } from "./teacher.js";
import {
  openTransformer,
  type Transformer,
  type WrittenTransformer,
  writeTransformer,
} from "./transformer.js";

export interface CalibrateOptions {
  /** A FLUX.1 transformer as `compileModel` takes it. */
  readonly input: string;
  /** The calibration folder: new, empty, or of a run with the same options, which it goes on with. */
  readonly out: string;
  readonly prompts: readonly string[];
  /** Samples of all shards; one of each prompt if absent. Prompts come again with other noise. */
  readonly samples?: number | undefined;
  /** Denoising steps; 28, or the model's own number where that is less, if absent. */
  readonly steps?: number | undefined;
  /** The pipeline's scale if absent. */
  readonly guidance?: number | undefined;
  /** Gives three in ten samples a scale of their own, evenly from 1.5 to 5. */
  readonly varyGuidance?: boolean | undefined;
  /** The pipeline's if absent. */
  readonly resolution?: Resolution | undefined;
  readonly textLength?: number | undefined;
  /** 0 if absent. */
  readonly seed?: number | undefined;
  /** Samples that are drawn together, which is what a part holds; 16 if absent. */
  readonly batch?: number | undefined;
  /** Also sums up what the blocks' linear layers read: mean and second moment of each distinct input. */
  readonly moments?: boolean | undefined;
  /** All of them if absent. */
  readonly shard?: Shard | undefined;
  /** Of ONNX Runtime. */
  readonly threads?: number | undefined;
  /** Folder of tokenizers and text encoders; found beside the model if absent. */
  readonly pipeline?: string | undefined;
  readonly onProgress?: ((progress: CalibrateProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CalibrateProgress {
  /** weights: tensors of the model. samples: those of this shard. */
  readonly phase: "weights" | "samples";
  readonly done: number;
  readonly total: number;
}

export interface CalibrationReport extends Omit<CalibrationDescription, "format" | "prompts" | "samples"> {
  readonly out: string;
  readonly prompts: number;
  /** In this folder. */
  readonly samples: number;
  /** Of these, what was there before. */
  readonly kept: number;
  readonly parts: number;
  /** Whether moments are there too. */
  readonly moments: boolean;
  /** Of sampling. */
  readonly seconds: number;
}

const DEFAULT_BATCH = 16;
const MOST_SAMPLES = 1e8;
/** Diffusers' pipeline of FLUX.1-dev takes as many. */
const USUAL_STEPS = 28;

/**
 * Lets a full-precision model draw from text, and keeps what training needs of each sample. Every sample has noise of its
 * own and is drawn together with the same others, whichever shard it is in and however often the work was stopped.
 * Throws those of `readTeacher`, `openPipelineModels`, `openOrtSession` and `withCalibrationOutput`, TRITC_E_NOT_FINITE and
 * TRITC_E_RANGE.
 */
export async function calibrate(options: CalibrateOptions): Promise<CalibrationReport> {
  checkOptions(options);
  const { threads, signal } = options;
  const reader = fileReader();
  try {
    const teacher = readTeacher(options, reader);
    await setImmediate();
    signal?.throwIfAborted();
    const models = await openPipelineModels(teacher.pipeline, { threads, layout: teacher.layout });
    try {
      return await withCalibrationOutput(options.out, async (output) => {
        const onProgress = (done: number, total: number) =>
          options.onProgress?.({ phase: "weights", done, total });
        const { moments } = options;
        const written = await writeTransformer(teacher, output.scratch, {
          reader,
          moments,
          signal,
          onProgress,
        });
        const description = await describe(options, teacher, models, written);
        const missing = new Set(await output.begin(description));
        return await drawParts(output, missing, { description, teacher, models, written }, options);
      });
    } finally {
      await models.close();
    }
  } finally {
    reader.close();
  }
}

/** Everything that draws. */
interface Studio {
  readonly description: CalibrationDescription;
  readonly teacher: Teacher;
  readonly models: PipelineModels;
  readonly written: WrittenTransformer;
}

function checkOptions(options: CalibrateOptions): void {
  const { prompts, samples = 1, batch = 1, seed = 0, steps, guidance, textLength } = options;
  if (prompts.length === 0) throw outOfRange("prompts", "1 or more", 0);
  for (const prompt of prompts) {
    checkRequest({ prompt, seed, steps, guidance, textLength, ...options.resolution });
  }
  checkWhole("samples", samples, 1, MOST_SAMPLES);
  checkWhole("batch", batch, 1, MOST_SAMPLES);
}

async function describe(
  options: CalibrateOptions,
  teacher: Teacher,
  models: PipelineModels,
  written: WrittenTransformer,
): Promise<CalibrationDescription> {
  const { prompts, samples = prompts.length, seed = 0, shard = { index: 1, count: 1 } } = options;
  const { model, sampling, resolution } = teacher;
  const encoded = await models.encode(prompts[0] ?? "", teacher.textLength);
  requirePipelineOf(model, encoded, teacher.pipeline);
  const takesGuidance = sampling.guidance !== null;
  return describeCalibration({
    source: written.source,
    model,
    prompts,
    samples,
    batch: written.takesBatches ? (options.batch ?? DEFAULT_BATCH) : 1,
    steps: options.steps ?? Math.min(USUAL_STEPS, sampling.steps),
    guidance: takesGuidance ? (options.guidance ?? sampling.guidance) : null,
    guidanceVaries: takesGuidance && options.varyGuidance === true,
    width: resolution.width,
    height: resolution.height,
    imageTokens: geometryOf(teacher, models).imageTokens,
    textTokens: encoded.contextTokens,
    seed,
    shard,
  });
}

function geometryOf({ layout, resolution }: Teacher, { vaeConfig }: PipelineModels): LatentGeometry {
  return layout.geometry(resolution.height, resolution.width, vaeConfig.latentChannels, vaeConfig.vaeScale);
}

/** Draws the parts that are missing, and writes each, and its moments, when it is whole. */
async function drawParts(
  { folder, write }: CalibrationOutput,
  missing: ReadonlySet<number>,
  studio: Studio,
  { out, threads, moments = false, signal, onProgress }: CalibrateOptions,
): Promise<CalibrationReport> {
  const { description, models, written } = studio;
  const { format: _, ...facts } = description;
  const { steps, imageTokens } = description;
  let sums = moments ? await openMoments(folder) : undefined;
  const counted = new Set(moments ? sums?.parts : partsOf(description));
  const todo = partsOf(description).filter((part) => missing.has(part) || !counted.has(part));
  const total = countSamples(description, partsOf(description));
  const kept = total - countSamples(description, todo);
  const schedule = makeSchedule(models.schedulerConfig, { steps, imageTokens });
  const started = performance.now();
  if (todo.length > 0) {
    const transformer = await openTransformer(written, threads);
    try {
      let done = kept;
      for (const part of todo) {
        const starts = await startsOf(studio, part, signal);
        const onStep = (step: number) => {
          const drawn = Math.floor((starts.length * step) / steps);
          onProgress?.({ phase: "samples", done: done + drawn, total });
        };
        onStep(0);
        const counts = !counted.has(part);
        const latents = await drawTogether(transformer, starts, schedule, { counts, signal, onStep });
        const samples = starts.map((start, i) => ({ ...start, latents: latents[i] ?? start.latents }));
        await write(part, encodePart(description, samples));
        if (counts) {
          const own = momentsOf(studio, transformer, { part, schedule });
          await writeMoments(folder, sums === undefined ? own : addMoments(sums, own));
          sums = await openMoments(folder);
        }
        done += starts.length;
      }
    } finally {
      await transformer.close();
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const { length: parts } = partsOf(description);
  return { ...facts, out, prompts: facts.prompts.length, samples: total, kept, parts, moments, seconds };
}

/** What a transformer has summed up in all steps of a part. */
function momentsOf(
  { description, written: { linearInputs } }: Studio,
  transformer: Transformer,
  { part, schedule }: { readonly part: number; readonly schedule: Schedule },
): Moments {
  const { imageTokens, textTokens } = description;
  const sizes = { img_tokens: imageTokens, txt_tokens: textTokens };
  return {
    parts: [part],
    weight:
      samplesOf(description, part).length * weightsOf(schedule).reduce((sum, weight) => sum + weight, 0),
    inputs: linearInputs.map(({ width, rows, roles }) => ({ width, rows: evaluateDim(rows, sizes), roles })),
    read(i) {
      const input = linearInputs[i];
      if (input === undefined) throw new RangeError("there is no such input");
      return transformer.takeMoments(input);
    },
  };
}

/** The samples of a part before their first step. */
async function startsOf(
  { description, teacher, models }: Studio,
  part: number,
  signal: AbortSignal | undefined,
): Promise<readonly Start[]> {
  const { model, layout, textLength } = teacher;
  const { prompts } = description;
  const geometry = geometryOf(teacher, models);
  const starts: Start[] = [];
  for (const sample of samplesOf(description, part)) {
    signal?.throwIfAborted();
    const { context, contextTokens, pooled } = await models.encode(
      prompts[sample % prompts.length] ?? "",
      textLength,
    );
    const latents = initialLatents(seedOf(description, sample), geometry, 0, layout);
    const guidance = guidanceOf(description, sample);
    starts.push({ model, geometry, latents, context, contextTokens, pooled, guidance });
  }
  return starts;
}

function countSamples(description: CalibrationDescription, parts: readonly number[]): number {
  return parts.reduce((count, part) => count + samplesOf(description, part).length, 0);
}
