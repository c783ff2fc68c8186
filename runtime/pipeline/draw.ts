/** From a prompt to a picture: text encoders, the sampler, the VAE. */
import { TritcError } from "../../ir/errors.js";
import { familyOf, type ModelDescription, type PictureSize, requireLatents } from "../../ir/models/index.js";
import { type TextPadding, usualPadding } from "../../ir/models/text-padding.js";
import type { Program } from "../../ir/program/program.js";
import type { SamplerName } from "../../ir/sampling/rules/index.js";
import type { Condition, Sampling } from "../../ir/sampling/sampling.js";
import type { LoadedProgram } from "../device.js";
import { initialLatents, noised } from "../noise.js";
import { cachesReferences, type StepProgress, type TwoPasses } from "../sample-inputs.js";
import { sample } from "../sampler.js";
import { lastSteps, makeSchedule } from "../scheduler.js";
import { fitReference, seePictures } from "./conditions.js";
import { listOf, type Pictures, requireConditions } from "./given-pictures.js";
import type { Picture } from "./picture.js";
import type { PipelineModels } from "./pipeline-models.js";
import { secondPass } from "./second-pass.js";
import { givenText, requirePadding } from "./text-padding.js";

/** What to draw. */
export interface DrawRequest extends Pictures {
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
  /** FLUX.1: above 1, the scale of guidance by a second pass, with `negativePrompt`. */
  readonly trueCfgScale?: number | undefined;
  /** How much of the `image` that is begun with is drawn anew: above 0, at most 1; the pipelines' default if absent. */
  readonly strength?: number | undefined;
  /** Kontext: `false` takes `image` at its own size, instead of scaling it to one that the model was trained at. */
  readonly autoResize?: boolean | undefined;
  /** Picture size in pixels; if absent, the bundle's first resolution, for FLUX.2 that of the first `image`. */
  readonly width?: number;
  readonly height?: number;
  /** Text tokens that the prompt is padded or cut to; the bundle's if absent. */
  readonly textLength?: number | undefined;
  /** Chroma: how the model is given the padding of its text; `seen`, as Diffusers' pipeline does, if it can be. */
  readonly textPadding?: TextPadding | undefined;
  /** The noise, instead of the seed's: packed latents [imageTokens, channels], as Diffusers takes them. */
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
  /** See `TwoPasses`. */
  readonly roomForBoth?: TwoPasses["roomFor"];
  /** The program on its device, for as long as it is used. */
  withProgram<T>(use: (loaded: LoadedProgram) => Promise<T>): Promise<T>;
  /** Frees networks and program; the device stays open. */
  close(): Promise<void>;
}

export interface DrawnPicture extends Picture {
  /** Denoising steps it took. */
  readonly steps: number;
  /** What was decoded: packed latents [imageTokens, channels]. */
  readonly latents: Float32Array;
}

/** Draws one picture. Throws TRITC_E_CONDITION, TRITC_E_TEXT_LENGTH, and those of the networks and the sampler. */
export async function draw(drawer: Drawer, request: DrawRequest): Promise<DrawnPicture> {
  const { models, model, program, sampling, condition } = drawer;
  const { latents: layout, sampling: rules } = familyOf(model);
  const { prompt, seed = 0, steps = sampling.steps } = request;
  const guidance = sampling.guidance === null ? null : (request.guidance ?? sampling.guidance);
  requireConditions(condition, request, drawer.place, rules.references?.most);
  if (condition === "reference" && request.image !== undefined) requireReferenceTokens(drawer);
  requirePadding(model, request.textPadding);
  const padding = request.textPadding ?? usualPadding(model);
  const away = secondPass(model, { ...request, guidance });
  const { width, height } = sizeOf(drawer, request);
  const { latentChannels, vaeScale } = models.vaeConfig;
  const geometry = layout.geometry(height, width, latentChannels, vaeScale);
  const own = drawer.own ? sampling : undefined;
  const whole = makeSchedule(own?.scheduler ?? models.schedulerConfig, {
    steps,
    imageTokens: geometry.imageTokens,
    model,
  });
  const textLength = {
    exactly: exactTextLength(program, request.textLength),
    preferably: own?.textLength,
  };
  const noise = request.latents ?? initialLatents(seed, geometry, 0, layout);
  requireLatents("the sampler", noise, geometry);
  const strength = request.strength ?? (condition === "none" ? (rules.strength ?? 1) : 1);
  const { start, drawn, ...seen } = await seePictures(models, condition, request, {
    ...{ geometry, layout, strength, references: rules.references },
    resize: request.autoResize ?? true,
  });
  const schedule = start === undefined ? whole : lastSteps(whole, strength);
  const encode = async (text: string) => givenText(await models.encode(text, textLength), padding);
  const { context, contextTokens, shownTokens, pooled } = await encode(prompt);
  const other = away && (await encode(away.prompt));
  const latents = await drawer.withProgram((loaded) =>
    sample(loaded, program, {
      geometry,
      schedule,
      latents: start === undefined ? noise : noised(start, noise, schedule.sigmas[0] ?? 1),
      ...seen,
      kept: start && drawn && { image: start, noise, drawn },
      context,
      contextTokens,
      shownTokens,
      pooled,
      guidance: guidance ?? 0,
      ...(other && { twoPasses: { ...other, scale: away?.scale ?? 1, roomFor: drawer.roomForBoth } }),
      ...(request.sampler === undefined ? {} : { sampler: request.sampler }),
      remedy: drawer.remedy,
      ...(request.onStep === undefined ? {} : { onStep: request.onStep }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    }),
  );
  const picture = await models.decode(latents, height, width);
  return { ...picture, steps: schedule.timesteps.length, latents };
}

/** How large a picture is drawn: as asked for, else as the first picture to draw after where the pipelines do so. */
export function sizeOf(
  { condition, model, models, size }: Drawer,
  { width, height, image }: Pick<DrawRequest, "width" | "height" | "image">,
): PictureSize {
  const { references, packing } = familyOf(model).sampling;
  const [first] = condition === "reference" && references?.firstSaysSize === true ? listOf(image) : [];
  const usual =
    first === undefined || references === undefined
      ? size
      : fitReference(references, first, packing * models.vaeConfig.vaeScale, true).cut;
  return { width: width ?? usual.width, height: height ?? usual.height };
}

/** What a pipeline given beside a bundle says: one compiled without may be of a base model, or of Kontext. */
export function asPipelineSays(
  { sampling, condition, model }: Pick<Drawer, "sampling" | "condition" | "model">,
  { distilled, className, vaeConfig }: PipelineModels,
): Pick<Drawer, "sampling" | "condition"> {
  const rules = familyOf(model).sampling;
  const said = rules.stepsAndGuidance(model, vaeConfig.vaeScale, distilled, className);
  return {
    sampling: distilled === null ? sampling : { ...sampling, ...said },
    condition: rules.condition(model, vaeConfig.vaeScale, className) ?? condition,
  };
}

/**
 * Throws TRITC_E_CONDITION for a model whose image tokens are all of the picture's own, and for one that sees references in
 * every step where its pipeline computes them once.
 */
function requireReferenceTokens({ program, place, model, models: { className } }: Drawer): void {
  if (cachesReferences(program)) return;
  const isCached = familyOf(model).sampling.references?.cachedBy;
  if (isCached?.(className) === true) {
    throw new TritcError({
      code: "TRITC_E_CONDITION",
      message:
        "the pipeline computes pictures to draw after by themselves, and the bundle was compiled without it",
      place,
      expected: "a bundle of the pipeline's folder",
      found: `${className} with a program that takes such pictures among its own tokens`,
      remedy: "compile the model again with --pipeline",
      exitCode: 2,
    });
  }
  const tokens = program.inputs.find(({ role }) => role === "latents")?.shape.at(-2);
  if (typeof tokens !== "number") return;
  throw new TritcError({
    code: "TRITC_E_CONDITION",
    message:
      "the model was exported for one picture size alone, which leaves no tokens for pictures to draw after",
    place,
    expected: "a model that takes any number of image tokens",
    found: `${tokens} image tokens`,
    remedy: "leave --image out, or export the model with dynamic axes",
    exitCode: 2,
  });
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
