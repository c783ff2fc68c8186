import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { familyOf, guidesByTwoPasses } from "../../ir/models/index.js";
import { type TextPadding, usualPadding } from "../../ir/models/text-padding.js";
import { openPipelineModels, type PipelineModels } from "../../runtime/node/pipeline-models.js";
import { givenText } from "../../runtime/pipeline/text-padding.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { requirePipelineOf } from "../calibrate/teacher.js";
import { removeOnExit } from "../temporary.js";
import type { Drawn, DrawnMeasures } from "./comparison.js";
import { type Followed, follow } from "./follow.js";
import type { ComparedModel, Pipeline } from "./models.js";
import type { CompareOptions } from "./options.js";
import { comparePictures } from "./pictures.js";
import type { Predictor } from "./predictor.js";
import { type Sample, type Sitting, stepsOf } from "./sitting.js";
import { drawTrajectories } from "./trajectories.js";

/** Lets all models draw, one after the other, and compares what they do. */
export async function draw(
  reference: ComparedModel,
  others: readonly ComparedModel[],
  pipeline: Pipeline,
  options: CompareOptions,
): Promise<{ readonly drawn: Drawn; readonly models: readonly DrawnMeasures[] }> {
  const { signal } = options;
  for (const model of [reference, ...others]) await model.requireDevice(options);
  const scratch = await mkdtemp(join(tmpdir(), "tritc-compare-"));
  const isGone = removeOnExit(scratch);
  try {
    const sitting = await withPipeline(reference, pipeline, options, (models) =>
      sit(reference, models, pipeline, { ...options, padding: paddingOf([reference, ...others]) }),
    );
    const size = sitting.samples.length;
    const withModel = async <T>(
      model: ComparedModel,
      use: (predictor: Predictor, onStep: () => void) => Promise<T>,
    ): Promise<T> => {
      const { path } = model;
      const progress = (phase: "weights" | "steps") => (done: number, total: number) =>
        options.onProgress?.({ phase, path, done, total });
      const predictor = await model.open(join(scratch, "model"), {
        ...options,
        onWeights: progress("weights"),
      });
      let done = 0;
      const onStep = () => {
        signal?.throwIfAborted();
        progress("steps")(++done, size * stepsOf(sitting));
      };
      try {
        return await use(predictor, onStep);
      } finally {
        await predictor.close();
      }
    };
    const trajectories = await withModel(reference, (predictor, onStep) =>
      drawTrajectories(predictor, sitting, scratch, onStep),
    );
    const followed: Followed[] = [];
    for (const other of others) {
      followed.push(
        await withModel(other, (predictor, onStep) => follow(predictor, sitting, trajectories, onStep)),
      );
    }
    const ends: Float32Array[] = [];
    for (const sample of sitting.samples.keys())
      ends.push((await trajectories(sample)).latents.at(-1) ?? new Float32Array());
    const { files, models } = await withPipeline(reference, pipeline, options, (opened) =>
      comparePictures(
        opened,
        sitting.geometry,
        ends,
        followed.map(({ latents }) => latents),
        signal,
      ),
    );
    const { width, height } = sitting.geometry;
    return {
      drawn: {
        ...{ width, height, files, steps: stepsOf(sitting) },
        textTokens: sitting.samples[0]?.text.contextTokens ?? 0,
        guidance: reference.sampling.guidance === null ? null : sitting.guidance,
        samples: sitting.samples.map(({ prompt, seed }) => ({ prompt, seed })),
      },
      models: followed.map(({ velocityErrors, latentDistances }, i) => ({
        ...{ velocityErrors, latentDistances, pictures: models[i] ?? [] },
      })),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
    isGone();
  }
}

/** Text encoders and VAE take much memory: they are there only while they are used. */
async function withPipeline<T>(
  { model }: ComparedModel,
  { folder, bundle }: Pipeline,
  { threads }: CompareOptions,
  use: (models: PipelineModels) => Promise<T>,
): Promise<T> {
  const models = await openPipelineModels(folder, { threads, bundle, model });
  try {
    return await use(models);
  } finally {
    await models.close();
  }
}

/** All are given the same: padding is seen where every model can be given it. */
function paddingOf(models: readonly ComparedModel[]): TextPadding | null {
  const usual = new Set(models.map(({ model }) => usualPadding(model)));
  return usual.has("hidden") ? "hidden" : usual.has("seen") ? "seen" : null;
}

/** What all draw, as the reference does where nothing else is asked for. */
async function sit(
  reference: ComparedModel,
  models: PipelineModels,
  pipeline: Pipeline,
  options: CompareOptions & { readonly padding: TextPadding | null },
): Promise<Sitting> {
  const { model, sampling, resolution, textLength } = reference;
  const { prompts = [], count = 1, seed = 0, signal } = options;
  const layout = familyOf(model).latents;
  const { width, height } = options.resolution ?? resolution;
  const { latentChannels, vaeScale } = models.vaeConfig;
  const geometry = layout.geometry(height, width, latentChannels, vaeScale);
  const steps = options.steps ?? sampling.steps;
  const schedule = makeSchedule(models.schedulerConfig, { steps, imageTokens: geometry.imageTokens, model });
  const length = { ...textLength, exactly: textLength.exactly ?? options.textLength };
  const encode = async (prompt: string) => givenText(await models.encode(prompt, length), options.padding);
  const samples: Sample[] = [];
  for (const prompt of prompts) {
    signal?.throwIfAborted();
    const text = await encode(prompt);
    requirePipelineOf(model, text, pipeline.folder);
    for (let i = 0; i < count; i++) samples.push({ prompt, seed: seed + samples.length, text });
  }
  const guidance = sampling.guidance === null ? 0 : (options.guidance ?? sampling.guidance);
  if (!guidesByTwoPasses(model, sampling.guidance)) return { samples, geometry, layout, schedule, guidance };
  const other = await encode("");
  return { samples, geometry, layout, schedule, guidance, twoPasses: { ...other, scale: guidance } };
}
