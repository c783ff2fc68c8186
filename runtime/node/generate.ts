import { createHash } from "node:crypto";
import { join } from "node:path";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import type { Device, LoadedProgram } from "../device.js";
import {
  asPipelineSays,
  type Drawer,
  type DrawnPicture,
  type DrawRequest,
  draw,
  notFiniteRemedy,
  sizeOf,
} from "../pipeline/draw.js";
import { listOf } from "../pipeline/given-pictures.js";
import { checkRequest } from "../request.js";
import { notASampler, requireSampler } from "../sampler.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { decodePictures, type GivenPicture, type GivenPictures } from "./decode-pictures.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { openPipelineModels } from "./pipeline-models.js";
import { encodePng, generationMetadata, type PngMetadata } from "./png.js";

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

export interface GenerateOptions extends Omit<DrawRequest, keyof GivenPictures>, GivenPictures {}

export interface GeneratedPicture extends DrawnPicture {
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
    pictures: condition === "control" || condition === "fill",
    model,
  });
  try {
    const device = await openDevice(bundle.program.target, options);
    try {
      const { promptWeights = bundle.manifest.memory.promptWeights } = options;
      const loaded = await device.load(bundle.program, bundle.code, bundle.weights, { promptWeights });
      const own = options.pipeline === undefined;
      const said = { sampling, condition };
      const drawer: Drawer = {
        place: folder,
        program: bundle.program,
        ...{ models, model, size, own },
        ...(own ? said : asPipelineSays({ ...said, model }, models)),
        remedy: notFiniteRemedy(bundle.manifest.options.activations),
        withProgram: (use) => use(loaded),
      };
      return new BundleGenerator({ bundle, device, loaded, drawer });
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

interface GeneratorParts {
  readonly bundle: OpenedBundle;
  readonly device: Device;
  readonly loaded: LoadedProgram;
  readonly drawer: Drawer;
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
    const drawn = await draw(this.#parts.drawer, { ...options, ...decodePictures(options) });
    return { ...drawn, png: encodePng(drawn, this.metadata(options)) };
  }

  metadata(options: GenerateOptions): PngMetadata {
    const { drawer } = this.#parts;
    const { sampling } = drawer;
    const { prompt, seed = 0, steps = sampling.steps, textLength } = options;
    const first = listOf(options.image).slice(0, 1);
    const { width, height } = sizeOf(drawer, { ...options, image: decodePictures({ image: first }).image });
    const hash = (found: GivenPicture | Float32Array) => sha256("rgb" in found ? found.rgb : found);
    const given = (["latents", "control", "mask"] as const).flatMap((name) => {
      const found = options[name];
      return found === undefined ? [] : [[name, hash(found)] as const];
    });
    const images = listOf(options.image).map(
      (found, i) => [i === 0 ? "image" : `image${i + 1}`, hash(found)] as const,
    );
    return generationMetadata({
      prompt,
      seed: options.latents === undefined ? seed : null,
      steps,
      guidance: sampling.guidance === null ? null : (options.guidance ?? sampling.guidance),
      negativePrompt: options.negativePrompt,
      trueCfgScale: options.trueCfgScale,
      strength: options.strength,
      autoResize: options.autoResize,
      sampler: options.sampler,
      textLength,
      size: `${width}x${height}`,
      given: Object.fromEntries([...given, ...images]),
      bundle: this.bundle.hash,
    });
  }

  close(): Promise<void> {
    const { loaded, drawer } = this.#parts;
    return this.#turns.close(async () => {
      await loaded.close();
      await this.device.close();
      await drawer.models.close();
    });
  }
}
