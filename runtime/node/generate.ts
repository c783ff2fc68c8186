import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import type { PromptWeightsPolicy } from "../../ir/program/memory/index.js";
import type { Program } from "../../ir/program/program.js";
import type { Sampling } from "../../ir/sampling/sampling.js";
import type { Device, LoadedProgram } from "../device.js";
import { initialLatents, latentGeometry } from "../latents.js";
import { checkRequest } from "../request.js";
import { requireSampler, type StepProgress, sample } from "../sampler.js";
import { makeSchedule } from "../scheduler.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { openPipelineModels, type Picture, type PipelineModels } from "./pipeline-models.js";
import { encodePng, generationMetadata } from "./png.js";

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
  /** Guidance scale; the model's default if absent, ignored by models that take none. */
  readonly guidance?: number | undefined;
  /** Picture size in pixels; the bundle's first resolution if absent. */
  readonly width?: number;
  readonly height?: number;
  /** Text tokens that the prompt is padded or cut to; the bundle's if absent. */
  readonly textLength?: number | undefined;
  readonly onStep?: (progress: StepProgress) => void;
  /** The picture is given up at once, its work ends with the step it is in; a picture that waits never begins. */
  readonly signal?: AbortSignal;
}

export interface GeneratedPicture extends Picture {
  /** Denoising steps it took. */
  readonly steps: number;
  /** The picture as a PNG file whose metadata says how to make it again. */
  readonly png: Uint8Array;
}

/** A bundle with its device and pipeline, ready to draw. */
export interface Generator {
  readonly bundle: OpenedBundle;
  readonly device: Device;
  /** Draws when the pictures asked for before are done: calls may be made at any time. TRITC_E_CLOSED after `close`. */
  generate(options: GenerateOptions): Promise<GeneratedPicture>;
  /** Waits for the pictures asked for, then frees device memory, workers and sessions. */
  close(): Promise<void>;
}

/** Opens a bundle, verifies it, and loads it on the device of its target. */
export async function openGenerator(folder: string, options: GeneratorOptions = {}): Promise<Generator> {
  const bundle = await openBundle(folder);
  requireSampler(bundle.program, folder);
  const { sampling, resolutions } = bundle.manifest;
  const [size] = resolutions;
  if (sampling === null || size === undefined)
    throw new Error("a manifest with a model says how it is sampled");
  const pipeline = options.pipeline ?? join(folder, "pipeline");
  const models = await openPipelineModels(pipeline, { threads: options.threads });
  try {
    const device = await openDevice(bundle.program.target, options);
    try {
      const { promptWeights = bundle.manifest.memory.promptWeights } = options;
      const loaded = await device.load(bundle.program, bundle.code, bundle.weights, { promptWeights });
      const own = options.pipeline === undefined;
      return new BundleGenerator({ bundle, models, device, loaded, sampling, size, own });
    } catch (error) {
      await device.close();
      throw error;
    }
  } catch (error) {
    await models.close();
    throw error;
  }
}

/** Text tokens of a model that was exported for one number of them. */
function fixedTextLength(program: Program): number | undefined {
  const tokens = program.inputs.find(({ role }) => role === "context")?.shape.at(-2);
  return typeof tokens === "number" ? tokens : undefined;
}

interface GeneratorParts {
  readonly bundle: OpenedBundle;
  readonly models: PipelineModels;
  readonly device: Device;
  readonly loaded: LoadedProgram;
  /** What the manifest says of how to sample. */
  readonly sampling: Sampling;
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
    const { models, loaded, sampling, size } = this.#parts;
    const { program } = this.bundle;
    const { prompt, seed = 0, steps = sampling.steps } = options;
    const guidance = sampling.guidance === null ? null : (options.guidance ?? sampling.guidance);
    const { width = size.width, height = size.height } = options;
    const { latentChannels, vaeScale } = models.vaeConfig;
    const geometry = latentGeometry(height, width, latentChannels, vaeScale);
    const own = this.#parts.own ? sampling : undefined;
    const schedule = makeSchedule(own?.scheduler ?? models.schedulerConfig, {
      steps,
      imageTokens: geometry.imageTokens,
    });
    const textLength = {
      exactly: options.textLength ?? fixedTextLength(program),
      preferably: own?.textLength,
    };
    const encoded = await models.encode(prompt, textLength);
    const latents = await sample(loaded, program, {
      geometry,
      schedule,
      latents: initialLatents(seed, geometry),
      context: encoded.context,
      contextTokens: encoded.contextTokens,
      pooled: encoded.pooled,
      guidance: guidance ?? 0,
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (!latents.every(Number.isFinite)) {
      throw new TritcError({
        code: "TRITC_E_NOT_FINITE",
        message: "the sampler's result holds NaN or infinite values",
        place: this.bundle.folder,
        remedy: "run `tritc verify` on the bundle; if it is intact, compile with --activations f32",
      });
    }
    const picture = await models.decode(latents, height, width);
    const record = { prompt, seed, steps, guidance, bundle: this.bundle.hash };
    return { ...picture, steps, png: encodePng(picture, generationMetadata(record)) };
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
