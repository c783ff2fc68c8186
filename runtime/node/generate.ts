import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import type { PromptWeightsPolicy } from "../../ir/program/memory/index.js";
import type { Device, LoadedProgram } from "../device.js";
import { initialLatents, latentGeometry } from "../latents.js";
import { type StepProgress, sample } from "../sampler.js";
import { makeSchedule } from "../scheduler.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { openDevice } from "./open-device.js";
import { openPipelineModels, type Picture, type PipelineModels } from "./pipeline-models.js";
import { encodePng, generationMetadata } from "./png.js";

export interface GeneratorOptions {
  /** Threads of the cpu device and of ONNX Runtime; all cores if absent. */
  readonly threads?: number | undefined;
  /** webgpu: the software adapter even where there is a GPU. */
  readonly software?: boolean | undefined;
  /** CUDA: which of the driver's devices; the first if absent. */
  readonly device?: number | undefined;
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
  /** Denoising steps; 50 if absent. */
  readonly steps?: number;
  /** Guidance scale; 3.5 if absent, ignored by models that take none. */
  readonly guidance?: number;
  /** Picture size in pixels; the bundle's first resolution if absent. */
  readonly width?: number;
  readonly height?: number;
  readonly onStep?: (progress: StepProgress) => void;
  /** The picture is given up at once, its work ends with the step it is in; a picture that waits never begins. */
  readonly signal?: AbortSignal;
}

export interface GeneratedPicture extends Picture {
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
  const pipeline = options.pipeline ?? join(folder, "pipeline");
  const models = await openPipelineModels(pipeline, { threads: options.threads });
  try {
    const device = await openDevice(bundle.program.target, options);
    try {
      const { promptWeights = bundle.manifest.memory.promptWeights } = options;
      const loaded = await device.load(bundle.program, bundle.code, bundle.weights, { promptWeights });
      return new BundleGenerator(bundle, models, device, loaded);
    } catch (error) {
      await device.close();
      throw error;
    }
  } catch (error) {
    await models.close();
    throw error;
  }
}

class BundleGenerator implements Generator {
  readonly bundle: OpenedBundle;
  readonly device: Device;
  readonly #models: PipelineModels;
  readonly #loaded: LoadedProgram;
  readonly #turns = new Turns("generator");

  constructor(bundle: OpenedBundle, models: PipelineModels, device: Device, loaded: LoadedProgram) {
    this.bundle = bundle;
    this.device = device;
    this.#models = models;
    this.#loaded = loaded;
  }

  generate(options: GenerateOptions): Promise<GeneratedPicture> {
    const request = { ...options };
    return this.#turns.take(() => this.#draw(request), options.signal);
  }

  async #draw(options: GenerateOptions): Promise<GeneratedPicture> {
    const { prompt, seed = 0, steps = 50, guidance = 3.5 } = options;
    const [resolution] = this.bundle.manifest.resolutions;
    const width = options.width ?? resolution?.width ?? 1024;
    const height = options.height ?? resolution?.height ?? 1024;
    const { latentChannels, vaeScale } = this.#models.vaeConfig;
    const geometry = latentGeometry(height, width, latentChannels, vaeScale);
    const schedule = makeSchedule(this.#models.schedulerConfig, { steps, imageTokens: geometry.imageTokens });
    const encoded = await this.#models.encode(prompt);
    const latents = await sample(this.#loaded, this.bundle.program, {
      geometry,
      schedule,
      latents: initialLatents(seed, geometry),
      context: encoded.context,
      contextTokens: encoded.contextTokens,
      pooled: encoded.pooled,
      guidance,
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
    const picture = await this.#models.decode(latents, height, width);
    const record = { prompt, seed, steps, guidance, bundle: this.bundle.hash };
    return { ...picture, png: encodePng(picture, generationMetadata(record)) };
  }

  close(): Promise<void> {
    return this.#turns.close(async () => {
      await this.#loaded.close();
      await this.device.close();
      await this.#models.close();
    });
  }
}
