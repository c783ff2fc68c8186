/** From a prompt to a picture: text encoders, the sampler, the VAE. */
import { TritcError } from "../../ir/errors.js";
import { familyOf, guidesByTwoPasses, type ModelDescription, requireLatents } from "../../ir/models/index.js";
import type { Program } from "../../ir/program/program.js";
import type { SamplerName } from "../../ir/sampling/rules/index.js";
import type { Condition, Sampling } from "../../ir/sampling/sampling.js";
import type { LoadedProgram } from "../device.js";
import { initialLatents } from "../noise.js";
import type { StepProgress } from "../sample-inputs.js";
import { sample } from "../sampler.js";
import { makeSchedule } from "../scheduler.js";
import { type ConditionPictures, conditionRows, requireConditions } from "./conditions.js";
import type { Picture } from "./picture.js";
import type { PipelineModels } from "./pipeline-models.js";

/** What to draw. */
export interface DrawRequest extends ConditionPictures {
  readonly prompt: string;
  /** Seed of the noise; 0 if absent. */
  readonly seed?: number | bigint;
  /** Denoising steps; the model's default if absent. */
  readonly steps?: number | undefined;
  /** How the picture moves from step to step; Euler's method if absent. */
  readonly sampler?: SamplerName | undefined;
  /** Guidance scale; the model's default if absent, ignored by models that take none. */
  readonly guidance?: number | undefined;
  /** What to go away from, for models that are guided by two passes; nothing if absent. */
  readonly negativePrompt?: string | undefined;
  /** Picture size in pixels; the bundle's first resolution if absent. */
  readonly width?: number;
  readonly height?: number;
  /** Text tokens that the prompt is padded or cut to; the bundle's if absent. */
  readonly textLength?: number | undefined;
  /** What to begin with instead of the seed's noise: packed latents [imageTokens, channels], as Diffusers takes them. */
  readonly latents?: Float32Array | undefined;
  readonly onStep?: (progress: StepProgress) => void;
  /** The picture is given up at once, its work ends with the step it is in; a picture that waits never begins. */
  readonly signal?: AbortSignal;
}

/** What draws: a bundle's program with its pipeline. */
export interface Drawer {
  /** Where the bundle lies, for messages. */
  readonly place: string;
  readonly program: Program;
  readonly models: PipelineModels;
  readonly model: ModelDescription;
  /** What the manifest says of how to sample. */
  readonly sampling: Sampling;
  readonly condition: Condition;
  readonly size: { readonly width: number; readonly height: number };
  /** Whether the pipeline is the bundle's own, of which the manifest speaks. */
  readonly own: boolean;
  /** What to try where the transformer's result is not finite. */
  readonly remedy: string;
  /** The program on its device, for as long as it is used. */
  withProgram<T>(use: (loaded: LoadedProgram) => Promise<T>): Promise<T>;
}

export interface DrawnPicture extends Picture {
  /** Denoising steps it took. */
  readonly steps: number;
  /** What was decoded: packed latents [imageTokens, channels]. */
  readonly latents: Float32Array;
}

/** Draws one picture. Throws TRITC_E_CONDITION, TRITC_E_TEXT_LENGTH, and those of the networks and the sampler. */
export async function draw(drawer: Drawer, request: DrawRequest): Promise<DrawnPicture> {
  const { models, model, program, sampling, condition, size } = drawer;
  const layout = familyOf(model).latents;
  const { prompt, seed = 0, steps = sampling.steps } = request;
  const guidance = sampling.guidance === null ? null : (request.guidance ?? sampling.guidance);
  const { width = size.width, height = size.height } = request;
  requireConditions(condition, request, drawer.place);
  const { latentChannels, vaeScale } = models.vaeConfig;
  const geometry = layout.geometry(height, width, latentChannels, vaeScale);
  const own = drawer.own ? sampling : undefined;
  const schedule = makeSchedule(own?.scheduler ?? models.schedulerConfig, {
    steps,
    imageTokens: geometry.imageTokens,
    model,
  });
  const textLength = {
    exactly: exactTextLength(program, request.textLength),
    preferably: own?.textLength,
  };
  const start = request.latents ?? initialLatents(seed, geometry, 0, layout);
  requireLatents("the sampler", start, geometry);
  const rows = await conditionRows(models, condition, request, geometry, layout);
  const encoded = await models.encode(prompt, textLength);
  const other = guidesByTwoPasses(model, guidance)
    ? await models.encode(request.negativePrompt ?? "", textLength)
    : undefined;
  const latents = await drawer.withProgram((loaded) =>
    sample(loaded, program, {
      geometry,
      schedule,
      latents: start,
      context: encoded.context,
      contextTokens: encoded.contextTokens,
      pooled: encoded.pooled,
      guidance: guidance ?? 0,
      ...(other === undefined ? {} : { twoPasses: { ...other, scale: guidance ?? 1 } }),
      ...(request.sampler === undefined ? {} : { sampler: request.sampler }),
      ...(rows === undefined ? {} : { condition: rows }),
      remedy: drawer.remedy,
      ...(request.onStep === undefined ? {} : { onStep: request.onStep }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    }),
  );
  const picture = await models.decode(latents, height, width);
  return { ...picture, steps, latents };
}

/** The only number of text tokens that will do: the model's own where it was exported for one, else what was asked for. */
function exactTextLength(program: Program, wanted: number | undefined): number | undefined {
  const own = program.inputs.find(({ role }) => role === "context")?.shape.at(-2);
  if (typeof own !== "number" || wanted === undefined || wanted === own) {
    return typeof own === "number" ? own : wanted;
  }
  throw new TritcError({
    code: "TRITC_E_TEXT_LENGTH",
    message: "the model was exported for one text length alone",
    place: `text length ${wanted}`,
    expected: `${own} tokens`,
    found: `${wanted} tokens`,
    remedy: "leave --text-length out, or export the model with dynamic axes",
  });
}

/** What to try where a bundle's transformer gives values that are not finite. */
export function notFiniteRemedy(activations: string): string {
  const verify = "`tritc verify` on the bundle says whether it is intact";
  return activations === "f32"
    ? `${verify}; if so, the model itself overflows: check its weights, and adapters that were merged into it`
    : `${verify}; if so, compile with --activations f32`;
}
