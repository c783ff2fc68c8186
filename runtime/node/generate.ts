import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Device } from "../device.js";
import { type Drawer, type DrawnPicture, type DrawRequest, draw, sizeOf } from "../pipeline/draw.js";
import { listOf } from "../pipeline/given-pictures.js";
import { type DrawerHost, type DrawerOptions, openDrawer } from "../pipeline/open-drawer.js";
import { checkRequest } from "../request.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { decodePictures, type GivenPicture, type GivenPictures } from "./decode-pictures.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { folderFiles, pipelineAt } from "./pipeline-folder.js";
import { openPipelineModels } from "./pipeline-models.js";
import { encodePng, generationMetadata, type PngMetadata } from "./png.js";

/** `threads` are also those of ONNX Runtime. */
export interface GeneratorOptions extends OpenDeviceOptions, DrawerOptions {
  /** Folder with tokenizers, text encoders, VAE and scheduler, or a bundle that carries them; the bundle's own if absent. */
  readonly pipeline?: string | undefined;
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
  const own = options.pipeline === undefined;
  const pipeline = own ? join(folder, "pipeline") : pipelineAt(options.pipeline);
  const { target } = bundle.manifest;
  let opening: Promise<Device> | undefined;
  const device = () => {
    opening ??= openDevice(target, options);
    return opening;
  };
  const host: DrawerHost = {
    ...{ place: folder, files: folderFiles(pipeline), own, device },
    openModels: (wanted) =>
      openPipelineModels(pipeline, {
        ...options,
        ...wanted,
        ...(own ? { bundle } : {}),
        host: { target, device },
      }),
  };
  try {
    const drawer = await openDrawer(bundle, host, options);
    return new BundleGenerator({ bundle, device: await device(), drawer });
  } catch (error) {
    await opening?.then((opened) => opened.close());
    throw error;
  }
}

function sha256(bytes: Uint8Array | Float32Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface GeneratorParts {
  readonly bundle: OpenedBundle;
  readonly device: Device;
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
      textPadding: options.textPadding,
      size: `${width}x${height}`,
      given: Object.fromEntries([...given, ...images]),
      bundle: this.bundle.hash,
    });
  }

  close(): Promise<void> {
    return this.#turns.close(async () => {
      await this.#parts.drawer.close();
      await this.device.close();
    });
  }
}
