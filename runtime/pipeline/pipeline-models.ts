/** The parts of a FLUX pipeline around the transformer: tokenizers, text encoders, VAE. */
import { TritcError } from "../../ir/errors.js";
import {
  DEFAULT_LATENTS,
  DEFAULT_PIPELINE,
  familyOf,
  type ModelDescription,
  type PipelineForm,
  TEXT_NETWORKS,
} from "../../ir/models/index.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readSchedulerConfig, type SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { readVaeConfig, type VaeConfig } from "../../ir/sampling/vae-config.js";
import { missingFile, type PipelineFiles, readJsonObject } from "./files.js";
import type { Network, NetworkName } from "./network.js";
import type { Picture } from "./picture.js";
import { Shelf } from "./shelf.js";
import { type EncodedPrompt, TEXT_ENCODERS, type TextLength } from "./text-encoders.js";
import { openTokenizer, type TokenizerHost } from "./tokenizer.js";
import { decodeLatents, encodePlanes } from "./vae.js";

export type { EncodedPrompt, TextLength } from "./text-encoders.js";

export interface PipelineModels {
  readonly schedulerConfig: SchedulerConfig;
  readonly vaeConfig: VaeConfig;
  /** Whether the model was distilled to few steps without guidance; null where the pipeline does not say. */
  readonly distilled: boolean | null;
  /** The class that the pipeline's index names. */
  readonly className: string;
  /** Runs the text encoders, or returns what they gave for this prompt before. */
  encode(prompt: string, textLength?: TextLength): Promise<EncodedPrompt>;
  /** Packed latents [(height/16)(width/16), channels*4], in the transformer's scale, to a picture. */
  decode(latents: Float32Array, height: number, width: number): Promise<Picture>;
  /** A picture, [3, height, width] in [-1, 1], to packed latents in the transformer's scale. */
  encodePicture(planes: Float32Array, height: number, width: number): Promise<Float32Array>;
  /** Frees what the networks hold when what they do is done; TRITC_E_CLOSED afterwards. */
  close(): Promise<void>;
}

/** What runs a pipeline's networks. */
export interface PipelineHost {
  readonly tokenizers: TokenizerHost;
  /** A network; undefined where the pipeline has none of the name. Each `open` loads it, for the caller to close. */
  network(name: NetworkName): Network | undefined;
}

export interface OpenPipelineOptions {
  /** Whether pictures always go in: the VAE's encoder must be there then. */
  readonly pictures?: boolean;
  /** The transformer; one of FLUX.1's if absent. */
  readonly model?: ModelDescription;
  /** Whether networks stay open, or each is closed before anything else is done; `keep` if absent. */
  readonly networks?: "keep" | "close";
}

/** Encoded prompts kept, in values: 32 of FLUX's size (512x4096), any number of small ones. */
const CACHE_VALUES = 2 ** 26;
const DECODER: NetworkName = "vae_decoder";
const ENCODER: NetworkName = "vae_encoder";

/**
 * Opens a pipeline. All files are looked for now, networks are loaded on first use: T5 alone
 * can take 19 GB, and decoding alone needs no encoder.
 *
 * @throws TritcError naming the file that is missing or malformed
 */
export async function openPipeline(
  files: PipelineFiles,
  host: PipelineHost,
  options: OpenPipelineOptions = {},
): Promise<PipelineModels> {
  const { model } = options;
  const family = model === undefined ? undefined : familyOf(model);
  const { latents: layout, pipeline } = family ?? { latents: DEFAULT_LATENTS, pipeline: DEFAULT_PIPELINE };
  const { distilled, className } = await readModelIndex(files, pipeline);
  const encoders = TEXT_ENCODERS[pipeline.text];
  const networks: NetworkName[] = [...TEXT_NETWORKS[pipeline.text], DECODER];
  const found = (name: NetworkName): Network => {
    const network = host.network(name);
    if (network !== undefined) return network;
    throw notCompiled(files, name) ?? missingFile(files.placeOf(`${name}/model.onnx`));
  };
  for (const name of options.pictures === true ? [...networks, ENCODER] : networks) found(name);
  const scheduler = "scheduler/scheduler_config.json";
  const schedulerConfig = readSchedulerConfig(
    (await readJsonObject(files, scheduler)).raw,
    files.placeOf(scheduler),
  );
  const vae = vaeConfigPath(files);
  const vaeConfig = readVaeConfig((await readJsonObject(files, vae)).raw, files.placeOf(vae));

  const shelf = new Shelf(found, options.networks ?? "keep");
  const encodeAnew = await encoders.open(
    (folder, limit) => openTokenizer(host.tokenizers, files, folder, limit),
    (name) => shelf.network(name),
  );
  const cache = new Map<string, Promise<EncodedPrompt>>();
  let room: number | undefined;

  return {
    schedulerConfig,
    vaeConfig,
    distilled,
    className,
    async encode(prompt, textLength = {}) {
      const key = `${textLength.exactly ?? ""} ${textLength.preferably ?? ""} ${prompt}`;
      const known = cache.get(key);
      const pending = known ?? shelf.use(() => encodeAnew(prompt, textLength));
      // Re-inserted last: a Map iterates in insertion order, so the first key is the least recently used.
      cache.delete(key);
      cache.set(key, pending);
      try {
        const encoded = await pending;
        room ??= Math.max(1, Math.floor(CACHE_VALUES / (encoded.context.length + encoded.pooled.length)));
        for (const oldest of cache.keys()) {
          if (cache.size <= room) break;
          cache.delete(oldest);
        }
        return encoded;
      } catch (error) {
        cache.delete(key);
        throw error;
      }
    },
    decode: (latents, height, width) =>
      shelf.use(() => decodeLatents(shelf.network(DECODER), vaeConfig, layout, latents, { height, width })),
    encodePicture: (planes, height, width) =>
      shelf.use(() => encodePlanes(shelf.network(ENCODER), vaeConfig, layout, planes, { height, width })),
    close() {
      cache.clear();
      return shelf.close();
    },
  };
}

/** What the index says, if the pipeline is one of the family's. */
async function readModelIndex(
  files: PipelineFiles,
  { owns, example }: PipelineForm,
): Promise<Pick<PipelineModels, "distilled" | "className">> {
  const path = "model_index.json";
  const { entries } = await readJsonObject(files, path);
  const name = entries.get("_class_name");
  const distilled = entries.get("is_distilled");
  if (typeof name === "string" && owns(name)) {
    return { className: name, distilled: typeof distilled === "boolean" ? distilled : null };
  }
  throw malformed(
    files.placeOf(path),
    `_class_name of the model's pipeline, such as ${example}`,
    JSON.stringify(name) ?? "none",
  );
}

/** The error of a network that is there as Diffusers or Transformers keep it; undefined where it is not. */
function notCompiled(files: PipelineFiles, name: NetworkName): TritcError | undefined {
  const folder = name.startsWith("vae") ? "vae" : name;
  const weights = name.startsWith("vae") ? "diffusion_pytorch_model" : "model";
  const found = [`${weights}.safetensors`, `${weights}.safetensors.index.json`]
    .map((file) => `${folder}/${file}`)
    .find((path) => files.has(path));
  if (found === undefined) return undefined;
  return new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the networks of this pipeline have to be compiled before they run",
    place: files.placeOf(folder),
    expected: "a pipeline that was compiled, or exported as ONNX",
    found,
    remedy:
      "compile the whole folder (tritc compile <folder>), and draw with that bundle or give it with --pipeline",
    exitCode: 2,
  });
}

function vaeConfigPath(files: PipelineFiles): string {
  const decoder = "vae_decoder/config.json";
  const whole = "vae/config.json";
  return files.has(decoder) || !files.has(whole) ? decoder : whole;
}
