import { evaluateDim } from "../../ir/dim.js";
import type { LatentGeometry } from "../../ir/models/index.js";
import type { EncodedPrompt, PipelineModels } from "../../runtime/node/pipeline-models.js";
import { initialLatents } from "../../runtime/noise.js";
import { makeSchedule, type Schedule } from "../../runtime/scheduler.js";
import type { CalibrationDescription } from "../calibration/description.js";
import { addMoments, type Moments, openMoments, writeMoments } from "../calibration/moments.js";
import { encodePart, partsOf, samplesOf } from "../calibration/parts.js";
import { guidanceOf, seedOf } from "./draws.js";
import type { CalibrationOutput } from "./output.js";
import { drawTogether, type Start, weightsOf } from "./sampler.js";
import type { Teacher } from "./teacher.js";
import { openTransformer, type Transformer, type WrittenTransformer } from "./transformer.js";

/** Everything that draws a calibration. */
export interface Studio {
  readonly description: CalibrationDescription;
  readonly teacher: Teacher;
  readonly models: PipelineModels;
  readonly written: WrittenTransformer;
}

export interface DrawOptions {
  readonly threads?: number | undefined;
  readonly moments?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the samples that are there, and those that will be. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface Drawn {
  /** In the folder. */
  readonly samples: number;
  /** Of these, what was there before. */
  readonly kept: number;
  /** Of sampling. */
  readonly seconds: number;
}

/** Draws the parts that are missing, and writes each, and its moments, when it is whole. */
export async function drawParts(
  { folder, write }: CalibrationOutput,
  missing: ReadonlySet<number>,
  studio: Studio,
  { threads, moments = false, signal, onProgress }: DrawOptions,
): Promise<Drawn> {
  const { description, models, written } = studio;
  const { steps, imageTokens } = description;
  let sums = moments ? openMoments(folder) : undefined;
  const counted = new Set(moments ? sums?.parts : partsOf(description));
  const todo = partsOf(description).filter((part) => missing.has(part) || !counted.has(part));
  const total = countSamples(description, partsOf(description));
  const kept = total - countSamples(description, todo);
  const schedule = makeSchedule(models.schedulerConfig, { steps, imageTokens, model: description.model });
  const started = performance.now();
  if (todo.length > 0) {
    const transformer = await openTransformer(written, threads);
    try {
      let done = kept;
      for (const part of todo) {
        const negative = await negativeOf(studio);
        const starts = await startsOf(studio, part, negative, signal);
        const onStep = (step: number) => {
          const drawn = Math.floor((starts.length * step) / steps);
          onProgress?.(done + drawn, total);
        };
        onStep(0);
        const counts = !counted.has(part);
        const latents = await drawTogether(transformer, starts, schedule, { counts, signal, onStep });
        const samples = starts.map((start, i) => ({ ...start, latents: latents[i] ?? start.latents }));
        await write(part, encodePart(description, samples, negative));
        if (counts) {
          const own = momentsOf(studio, transformer, { part, schedule });
          await writeMoments(folder, sums === undefined ? own : addMoments(sums, own));
          sums = openMoments(folder);
        }
        done += starts.length;
      }
    } finally {
      await transformer.close();
    }
  }
  return { samples: total, kept, seconds: (performance.now() - started) / 1000 };
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
  negative: EncodedPrompt | undefined,
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
    const other = negative === undefined ? {} : { twoPasses: { ...negative, scale: guidance } };
    starts.push({ model, geometry, latents, context, contextTokens, pooled, guidance, ...other });
  }
  return starts;
}

/** What samples are moved away from. */
async function negativeOf({ description, teacher, models }: Studio): Promise<EncodedPrompt | undefined> {
  const { negativePrompt } = description;
  return negativePrompt === undefined ? undefined : models.encode(negativePrompt, teacher.textLength);
}

function countSamples(description: CalibrationDescription, parts: readonly number[]): number {
  return parts.reduce((count, part) => count + samplesOf(description, part).length, 0);
}

export function geometryOf({ layout, resolution }: Teacher, { vaeConfig }: PipelineModels): LatentGeometry {
  return layout.geometry(resolution.height, resolution.width, vaeConfig.latentChannels, vaeConfig.vaeScale);
}
