import { createHash } from "node:crypto";
import { join } from "node:path";
import { outOfRange } from "../../ir/bounds.js";
import { familyOf } from "../../ir/models/index.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { type Residency, residencyFor } from "../../targets/memory/residency.js";
import type { Device, LoadedProgram } from "../device.js";
import { type Drawer, type DrawnPicture, type DrawRequest, draw, notFiniteRemedy } from "../pipeline/draw.js";
import { stagesOf } from "../pipeline/network-memory.js";
import type { Picture } from "../pipeline/picture.js";
import { checkRequest } from "../request.js";
import { notASampler, requireSampler } from "../sampler.js";
import { Turns } from "../turns.js";
import { type OpenedBundle, openBundle } from "./bundle.js";
import { type OpenDeviceOptions, openDevice } from "./open-device.js";
import { folderFiles } from "./pipeline-folder.js";
import { openPipelineModels } from "./pipeline-models.js";
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
  /**
   * What stays on the device while a picture is drawn; if absent, what keeps most in the memory that the bundle was compiled
   * for. Networks in ONNX Runtime take no memory there.
   */
  readonly residency?: Residency | undefined;
}

export interface GenerateOptions extends Omit<DrawRequest, "control" | "image" | "mask"> {
  /** Canny and Depth models: what the picture follows, as pixels or a PNG file's bytes; any size. */
  readonly control?: Picture | Uint8Array | undefined;
  /** Fill models: the picture to draw into. */
  readonly image?: Picture | Uint8Array | undefined;
  /** Fill models: white where to draw. */
  readonly mask?: Picture | Uint8Array | undefined;
}

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
  const own = options.pipeline === undefined;
  const pipeline = options.pipeline ?? join(folder, "pipeline");
  const { memory, target, options: compiled } = bundle.manifest;
  const residency =
    options.residency ??
    residencyFor(await stagesOf(bundle.manifest, folderFiles(pipeline)), memory.limitBytes);
  // Opened after the pipeline, which is the first to lack something.
  let opening: Promise<Device> | undefined;
  const device = () => {
    opening ??= openDevice(target, options);
    return opening;
  };
  const models = await openPipelineModels(pipeline, {
    ...options,
    ...(own ? { bundle } : {}),
    host: { target, device },
    networks: residency === "keep" ? "keep" : "close",
    pictures: condition !== "none",
    model,
  });
  try {
    const { promptWeights = memory.promptWeights } = options;
    const opened = await device();
    const load = () => opened.load(bundle.program, bundle.code, bundle.weights, { promptWeights });
    const { distilled, vaeConfig } = models;
    const rules = (is: boolean) => familyOf(model).sampling.stepsAndGuidance(model, vaeConfig.vaeScale, is);
    const drawer: Drawer = {
      place: folder,
      program: bundle.program,
      ...{ models, model, condition, size, own },
      // A bundle may have been compiled without the pipeline that knows whether its model is a base model.
      sampling: own || distilled === null ? sampling : { ...sampling, ...rules(distilled) },
      remedy: notFiniteRemedy(compiled.activations),
      withProgram: await programs(load, residency),
    };
    return new BundleGenerator({ bundle, device: opened, drawer });
  } catch (error) {
    await models.close();
    await opening?.then((opened) => opened.close());
    throw error;
  }
}

/** Loads the transformer, for good or each time that it is used. Devices close what is open. */
async function programs(
  load: () => Promise<LoadedProgram>,
  residency: Residency,
): Promise<Drawer["withProgram"]> {
  if (residency !== "alone") {
    const loaded = await load();
    return (use) => use(loaded);
  }
  return async (use) => {
    const loaded = await load();
    try {
      return await use(loaded);
    } finally {
      await loaded.close();
    }
  };
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
    const drawn = await draw(this.#parts.drawer, {
      ...options,
      control: pictureOf("control", options.control),
      image: pictureOf("image", options.image),
      mask: pictureOf("mask", options.mask),
    });
    return { ...drawn, png: encodePng(drawn, this.metadata(options)) };
  }

  metadata(options: GenerateOptions): PngMetadata {
    const { sampling, size } = this.#parts.drawer;
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

  close(): Promise<void> {
    return this.#turns.close(async () => {
      await this.#parts.drawer.models.close();
      await this.device.close();
    });
  }
}
