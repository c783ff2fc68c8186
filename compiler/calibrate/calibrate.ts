import { setImmediate } from "node:timers/promises";
import { checkWhole, outOfRange } from "../../ir/bounds.js";
import { TritcError } from "../../ir/errors.js";
import { familyOf, guidesByTwoPasses } from "../../ir/models/index.js";
import { openPipelineModels, type PipelineModels } from "../../runtime/node/pipeline-models.js";
import { checkRequest } from "../../runtime/request.js";
import { type CalibrationDescription, describeCalibration } from "../calibration/description.js";
import { partsOf } from "../calibration/parts.js";
import { sourceOf } from "../calibration/source.js";
import { fileReader } from "../file-reader.js";
import type { Resolution } from "../resolutions.js";
import type { Shard } from "../shard.js";
import { type Drawn, drawParts, geometryOf } from "./draw-parts.js";
import { withCalibrationOutput } from "./output.js";
import { readTeacher, requirePipelineOf, type Teacher } from "./teacher.js";
import { type WrittenTransformer, writeTransformer } from "./transformer.js";

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
  /** What a base model's samples are moved away from, which guides by two passes; nothing if absent. */
  readonly negativePrompt?: string | undefined;
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

export interface CalibrationReport
  extends Drawn,
    Omit<CalibrationDescription, "format" | "prompts" | "samples"> {
  readonly out: string;
  readonly prompts: number;
  readonly parts: number;
  /** Whether moments are there too. */
  readonly moments: boolean;
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
  const { threads, moments, signal, onProgress } = options;
  const progressOf = (phase: CalibrateProgress["phase"]) => (done: number, total: number) =>
    onProgress?.({ phase, done, total });
  const reader = fileReader();
  try {
    const teacher = readTeacher(options, reader);
    await setImmediate();
    signal?.throwIfAborted();
    const models = await openPipelineModels(teacher.pipeline, { threads, model: teacher.model });
    try {
      return await withCalibrationOutput(options.out, async (output) => {
        const written = await writeTransformer(teacher, output.scratch, {
          ...{ reader, moments, signal },
          onProgress: progressOf("weights"),
        });
        const source = sourceOf(teacher.graph, reader);
        const description = await describe(options, teacher, models, { ...written, source });
        const studio = { description, teacher, models, written };
        const missing = new Set(await output.begin(description));
        const drawn = await drawParts(output, missing, studio, {
          ...{ threads, moments, signal },
          onProgress: progressOf("samples"),
        });
        return reportOf(options, description, drawn);
      });
    } finally {
      await models.close();
    }
  } finally {
    reader.close();
  }
}

function checkOptions(options: CalibrateOptions): void {
  const { prompts, samples = 1, batch = 1, seed = 0, steps, guidance, textLength, negativePrompt } = options;
  if (prompts.length === 0) throw outOfRange("prompts", "1 or more", 0);
  for (const prompt of prompts) {
    checkRequest({ prompt, negativePrompt, seed, steps, guidance, textLength, ...options.resolution });
  }
  checkWhole("samples", samples, 1, MOST_SAMPLES);
  checkWhole("batch", batch, 1, MOST_SAMPLES);
}

async function describe(
  options: CalibrateOptions,
  teacher: Teacher,
  models: PipelineModels,
  { source, takesBatches }: Pick<WrittenTransformer, "takesBatches"> & { readonly source: string },
): Promise<CalibrationDescription> {
  const { prompts, samples = prompts.length, seed = 0, shard = { index: 1, count: 1 } } = options;
  const { model, sampling, resolution } = teacher;
  if (familyOf(model).pipeline.text === "masked-states") throw ownLengths(teacher.graph.name);
  const encoded = await models.encode(prompts[0] ?? "", teacher.textLength);
  requirePipelineOf(model, encoded, teacher.pipeline);
  const takesGuidance = sampling.guidance !== null;
  return describeCalibration({
    source,
    model,
    prompts,
    samples,
    batch: takesBatches ? (options.batch ?? DEFAULT_BATCH) : 1,
    steps: options.steps ?? Math.min(USUAL_STEPS, sampling.steps),
    guidance: takesGuidance ? (options.guidance ?? sampling.guidance) : null,
    guidanceVaries: takesGuidance && options.varyGuidance === true,
    ...(guidesByTwoPasses(model, sampling.guidance) && { negativePrompt: options.negativePrompt ?? "" }),
    width: resolution.width,
    height: resolution.height,
    imageTokens: geometryOf(teacher, models).imageTokens,
    textTokens: encoded.contextTokens,
    seed,
    shard,
  });
}

function ownLengths(place: string): TritcError {
  return new TritcError({
    code: "TRITC_E_NOT_A_SAMPLER",
    message: "a calibration keeps texts of one length, and each text of this model has its own",
    place,
    expected: "a FLUX.1 or FLUX.2 transformer",
    found: "a Chroma transformer",
    remedy: "tritc compile fits ternary weights to it without a calibration",
  });
}

function reportOf(
  { out, moments = false }: CalibrateOptions,
  description: CalibrationDescription,
  drawn: Drawn,
): CalibrationReport {
  const { format: _, ...facts } = description;
  const [prompts, parts] = [description.prompts.length, partsOf(description).length];
  return { ...facts, ...drawn, out, prompts, parts, moments };
}
