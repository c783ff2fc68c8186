import { createHash } from "node:crypto";
import { join } from "node:path";
import { outOfRange } from "../../ir/bounds.js";
import { TritcError } from "../../ir/errors.js";
import { familyOf, guidesByTwoPasses, type ModelDescription, requireLatents } from "../../ir/models/index.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import type { SamplerName } from "../../ir/sampling/rules/index.js";
import type { Condition, Sampling } from "../../ir/sampling/sampling.js";
import type { Device, LoadedProgram } from "../device.js";
import { initialLatents } from "../noise.js";
import { conditionRows, requireConditions } from "../pipeline/conditions.js";
import type { Picture } from "../pipeline/picture.js";
import { checkRequest } from "../request.js";
import type { StepProgress } from "../sample-inputs.js";
import { notASampler, requireSampler, sample } from "../sampler.js";
import { makeSchedule } from "../scheduler.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { openPipelineModels, type PipelineModels } from "./pipeline-models.js";
import { decodePng, encodePng, generationMetadata, type PngMetadata } from "./png.js";

/** `threads` are also those of ONNX Runtime. */
export interface GeneratorOptions extends OpenDeviceOptions {
  /** Folder with tokenizers, text encoders, VAE and scheduler; the bundle's own `pipeline/` if absent. */
  readonly pipeline?: string | undefined;
  /**
   * Whether weights that only a prompt reads stay on the device, or are read again for each prompt; what the bundle was
   * compiled for if absent.
   */
  readonly promptWeights?: PromptWeightsPolicy | undefined;
}

export interface GenerateOptions {
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
  /** Canny and Depth models: what the picture follows, as pixels or a PNG file's bytes; any size. */
  readonly control?: Picture | Uint8Array | undefined;
  /** Fill models: the picture to draw into. */
  readonly image?: Picture | Uint8Array | undefined;
  /** Fill models: white where to draw. */
  readonly mask?: Picture | Uint8Array | undefined;
  /** What to begin with instead of the seed's noise: packed latents [imageTokens, channels], as Diffusers takes them. */
  readonly latents?: Float32Array | undefined;
  readonly onStep?: (progress: StepProgress) => void;
  /** The picture is given up at once, its work ends with the step it is in; a picture that waits never begins. */
  readonly signal?: AbortSignal;
}

export interface GeneratedPicture extends Picture {
  /** Denoising steps it took. */
  readonly steps: number;
  /** What was decoded: packed latents [imageTokens, channels]. */
  readonly latents: Float32Array;
  /** The picture as a PNG file whose metadata says how to make it again. */
  readonly png: Uint8Array;
}

/** A bundle with its device and pipeline, ready to draw. */
export interface Generator {
  readonly bundle: OpenedBundle;
  readonly device: Device;
  /** Draws when the pictures asked for before are done: calls may be made at any time. TRITC_E_CLOSED after `close`. */
  generate(options: GenerateOptions): Promise<GeneratedPicture>;
  /** What `generate` would write into the PNG: how to make the picture again. */
  metadata(options: GenerateOptions): PngMetadata;
  /** Waits for the pictures asked for, then frees device memory, workers and sessions. */
  close(): Promise<void>;
}

/** Opens a bundle, verifies it, and loads it on the device of its target. */
export async function openGenerator(folder: string, options: GeneratorOptions = {}): Promise<Generator> {
  const bundle = await openBundle(folder);
  const model = requireSampler(bundle.program, folder);
  const { sampling, resolutions } = bundle.manifest;
  const [size] = resolutions;
  if (sampling === null || size === undefined)
    throw new Error("a manifest with a model says how it is sampled");
  const { condition } = sampling;
  if (condition === null) {
    const { inChannels, outChannels } = bundle.program.model ?? {};
    throw notASampler(
      `${inChannels} channels of latents in, ${outChannels} out, as no known model has`,
      folder,
    );
  }
  const pipeline = options.pipeline ?? join(folder, "pipeline");
  const models = await openPipelineModels(pipeline, {
    threads: options.threads,
    check: options.pipeline === undefined ? () => bundle.checkBelow("pipeline") : undefined,
    pictures: condition !== "none",
    model,
  });
  try {
    const device = await openDevice(bundle.program.target, options);
    try {
      const { promptWeights = bundle.manifest.memory.promptWeights } = options;
      const loaded = await device.load(bundle.program, bundle.code, bundle.weights, { promptWeights });
      const own = options.pipeline === undefined;
      const { distilled, vaeConfig } = models;
      const rules = (is: boolean) => familyOf(model).sampling.stepsAndGuidance(model, vaeConfig.vaeScale, is);
      return new BundleGenerator({
        bundle,
        models,
        model,
        device,
        loaded,
        // A bundle may have been compiled without the pipeline that knows whether its model is a base model.
        sampling: own || distilled === null ? sampling : { ...sampling, ...rules(distilled) },
        condition,
        size,
        own,
      });
    } catch (error) {
      await device.close();
      throw error;
    }
  } catch (error) {
    await models.close();
    throw error;
  }
}

function sha256(bytes: Uint8Array | Float32Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A picture that is given as such, or as a PNG file. */
function pictureOf(name: string, given: Picture | Uint8Array | undefined): Picture | undefined {
  if (given === undefined) return undefined;
  const picture = given instanceof Uint8Array ? decodePng(given, name, "ignored") : given;
  const { rgb, width, height } = picture;
  if (rgb.length === 3 * width * height && rgb.length > 0) return picture;
  throw outOfRange(name, `3 bytes of RGB for each of ${width}x${height} pixels`, `${rgb.length} bytes`);
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

interface GeneratorParts {
  readonly bundle: OpenedBundle;
  readonly models: PipelineModels;
  readonly model: ModelDescription;
  readonly device: Device;
  readonly loaded: LoadedProgram;
  /** What the manifest says of how to sample. */
  readonly sampling: Sampling;
  readonly condition: Condition;
  readonly size: { readonly width: number; readonly height: number };
  /** Whether the pipeline is the bundle's own, of which the manifest speaks. */
  readonly own: boolean;
}

class BundleGenerator implements Generator {
  readonly bundle: OpenedBundle;
  readonly device: Device;
  readonly #parts: GeneratorParts;
  readonly #turns = new Turns("generator");

  constructor(parts: GeneratorParts) {
    this.bundle = parts.bundle;
    this.device = parts.device;
    this.#parts = parts;
  }

  async generate(options: GenerateOptions): Promise<GeneratedPicture> {
    const request = { ...options };
    checkRequest(request);
    return this.#turns.take(() => this.#draw(request), options.signal);
  }

  async #draw(options: GenerateOptions): Promise<GeneratedPicture> {
    const { models, model, loaded, sampling, condition, size } = this.#parts;
    const layout = familyOf(model).latents;
    const { program } = this.bundle;
    const { prompt, seed = 0, steps = sampling.steps } = options;
    const guidance = sampling.guidance === null ? null : (options.guidance ?? sampling.guidance);
    const { width = size.width, height = size.height } = options;
    requireConditions(condition, options, this.bundle.folder);
    const { latentChannels, vaeScale } = models.vaeConfig;
    const geometry = layout.geometry(height, width, latentChannels, vaeScale);
    const own = this.#parts.own ? sampling : undefined;
    const schedule = makeSchedule(own?.scheduler ?? models.schedulerConfig, {
      steps,
      imageTokens: geometry.imageTokens,
      model,
    });
    const textLength = {
      exactly: exactTextLength(program, options.textLength),
      preferably: own?.textLength,
    };
    const pictures = {
      control: pictureOf("control", options.control),
      image: pictureOf("image", options.image),
      mask: pictureOf("mask", options.mask),
    };
    const start = options.latents ?? initialLatents(seed, geometry, 0, layout);
    requireLatents("the sampler", start, geometry);
    const rows = await conditionRows(models, condition, pictures, geometry, layout);
    const encoded = await models.encode(prompt, textLength);
    const other = guidesByTwoPasses(model, guidance)
      ? await models.encode(options.negativePrompt ?? "", textLength)
      : undefined;
    const latents = await sample(loaded, program, {
      geometry,
      schedule,
      latents: start,
      context: encoded.context,
      contextTokens: encoded.contextTokens,
      pooled: encoded.pooled,
      guidance: guidance ?? 0,
      ...(other === undefined ? {} : { twoPasses: { ...other, scale: guidance ?? 1 } }),
      ...(options.sampler === undefined ? {} : { sampler: options.sampler }),
      ...(rows === undefined ? {} : { condition: rows }),
      remedy: this.#remedy(),
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const picture = await models.decode(latents, height, width);
    return { ...picture, steps, latents, png: encodePng(picture, this.metadata(options)) };
  }

  metadata(options: GenerateOptions): PngMetadata {
    const { sampling, size } = this.#parts;
    const { prompt, seed = 0, steps = sampling.steps, textLength } = options;
    const { width = size.width, height = size.height } = options;
    const given = (["latents", "control", "image", "mask"] as const).flatMap((name) => {
      const found = options[name];
      return found === undefined ? [] : [[name, sha256("rgb" in found ? found.rgb : found)] as const];
    });
    return generationMetadata({
      prompt,
      seed: options.latents === undefined ? seed : null,
      steps,
      guidance: sampling.guidance === null ? null : (options.guidance ?? sampling.guidance),
      negativePrompt: options.negativePrompt,
      sampler: options.sampler,
      textLength,
      size: `${width}x${height}`,
      given: Object.fromEntries(given),
      bundle: this.bundle.hash,
    });
  }

  /** What to try where the transformer's result is not finite. */
  #remedy(): string {
    const verify = "`tritc verify` on the bundle says whether it is intact";
    return this.bundle.manifest.options.activations === "f32"
      ? `${verify}; if so, the model itself overflows: check its weights, and adapters that were merged into it`
      : `${verify}; if so, compile with --activations f32`;
  }

  close(): Promise<void> {
    const { models, loaded } = this.#parts;
    return this.#turns.close(async () => {
      await loaded.close();
      await this.device.close();
      await models.close();
    });
  }
}
