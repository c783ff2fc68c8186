/** The parts of an exported FLUX pipeline around the transformer: tokenizers, text encoders, VAE decoder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  DEFAULT_LATENTS,
  DEFAULT_PIPELINE,
  familyOf,
  type ModelDescription,
  type PipelineForm,
} from "../../ir/models/index.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readSchedulerConfig, type SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { readVaeConfig, type VaeConfig } from "../../ir/sampling/vae-config.js";
import { Turns } from "../turns.js";
import { missingFile, readJsonObject } from "./json-file.js";
import type { Network } from "./network.js";
import { type OrtSession, openOrtSession } from "./ort-session.js";
import type { Picture } from "./picture.js";
import { type EncodedPrompt, TEXT_ENCODERS, type TextLength, type TextNetwork } from "./text-encoders.js";
import { decodeLatents, encodePlanes } from "./vae.js";

export type { EncodedPrompt, TextLength } from "./text-encoders.js";

export interface PipelineModels {
  readonly schedulerConfig: SchedulerConfig;
  readonly vaeConfig: VaeConfig;
  /** Whether the model was distilled to few steps without guidance; null where the pipeline does not say. */
  readonly distilled: boolean | null;
  /** Runs the text encoders, or returns what they gave for this prompt before. */
  encode(prompt: string, textLength?: TextLength): Promise<EncodedPrompt>;
  /** Packed latents [(height/16)(width/16), channels*4], in the transformer's scale, to a picture. */
  decode(latents: Float32Array, height: number, width: number): Promise<Picture>;
  /** A picture, [3, height, width] in [-1, 1], to packed latents in the transformer's scale. */
  encodePicture(planes: Float32Array, height: number, width: number): Promise<Float32Array>;
  /** Frees the ONNX Runtime sessions when what they do is done; TRITC_E_CLOSED afterwards. */
  close(): Promise<void>;
}

export interface PipelineModelsOptions {
  /** Called before files go to ONNX Runtime, which opens them, and others that they name, by itself; may throw. */
  readonly check?: (() => Promise<void>) | undefined;
  /** Threads of ONNX Runtime; its own choice if absent. */
  readonly threads?: number | undefined;
  /** Whether pictures go in: the VAE's encoder must be there then. */
  readonly pictures?: boolean;
  /** The transformer; one of FLUX.1's if absent. */
  readonly model?: ModelDescription;
}

/** Encoded prompts kept, in values: 32 of FLUX's size (512x4096), any number of small ones. */
const CACHE_VALUES = 2 ** 26;
const DECODER = "vae_decoder";
const ENCODER = "vae_encoder";
type NetworkName = TextNetwork | typeof DECODER | typeof ENCODER;

/**
 * Opens an exported pipeline folder. All files are looked for now, networks are loaded on first use: T5 alone
 * can take 19 GB, and decoding alone needs no encoder.
 *
 * @throws TritcError naming the file that is missing or malformed
 */
export async function openPipelineModels(
  directory: string,
  options: PipelineModelsOptions = {},
): Promise<PipelineModels> {
  const { model } = options;
  const family = model === undefined ? undefined : familyOf(model);
  const { latents: layout, pipeline } = family ?? { latents: DEFAULT_LATENTS, pipeline: DEFAULT_PIPELINE };
  const distilled = await readModelIndex(directory, pipeline);
  const encoders = TEXT_ENCODERS[pipeline.text];
  const networks: NetworkName[] = [...encoders.networks, DECODER];
  for (const network of options.pictures === true ? [...networks, ENCODER] : networks) {
    const path = modelPath(directory, network);
    if (!existsSync(path)) throw missingFile(path);
  }
  const schedulerPath = join(directory, "scheduler", "scheduler_config.json");
  const schedulerConfig = readSchedulerConfig((await readJsonObject(schedulerPath)).raw, schedulerPath);
  const vaePath = vaeConfigPath(directory);
  const vaeConfig = readVaeConfig((await readJsonObject(vaePath)).raw, vaePath);

  const sessions = new Map<string, Promise<OrtSession>>();
  const turns = new Turns("pipeline");
  const openChecked = async (place: string) => {
    await options.check?.();
    return openOrtSession(place, { threads: options.threads });
  };
  const network = (name: NetworkName): Network => {
    const place = modelPath(directory, name);
    return {
      place,
      async open() {
        turns.throwIfClosed();
        const opened = sessions.get(name) ?? openChecked(place);
        sessions.set(name, opened);
        return opened;
      },
    };
  };

  const encodeAnew = await encoders.open(directory, network);
  const cache = new Map<string, Promise<EncodedPrompt>>();
  let room: number | undefined;

  return {
    schedulerConfig,
    vaeConfig,
    distilled,
    async encode(prompt, textLength = {}) {
      const key = `${textLength.exactly ?? ""} ${textLength.preferably ?? ""} ${prompt}`;
      const known = cache.get(key);
      const pending = known ?? encodeAnew(prompt, textLength);
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
      decodeLatents(network(DECODER), vaeConfig, layout, latents, { height, width }),
    encodePicture: (planes, height, width) =>
      encodePlanes(network(ENCODER), vaeConfig, layout, planes, { height, width }),
    close: () =>
      turns.close(async () => {
        cache.clear();
        for (const result of await Promise.allSettled(sessions.values())) {
          if (result.status === "fulfilled") await result.value.close();
        }
      }),
  };
}

function modelPath(directory: string, network: string): string {
  return join(directory, network, "model.onnx");
}

/** What the index says of distillation, if the pipeline is one of the family's. */
async function readModelIndex(
  directory: string,
  { owns, example }: PipelineForm,
): Promise<PipelineModels["distilled"]> {
  const path = join(directory, "model_index.json");
  const { entries } = await readJsonObject(path);
  const name = entries.get("_class_name");
  const distilled = entries.get("is_distilled");
  if (typeof name === "string" && owns(name)) return typeof distilled === "boolean" ? distilled : null;
  throw malformed(
    path,
    `_class_name of the model's pipeline, such as ${example}`,
    JSON.stringify(name) ?? "none",
  );
}

function vaeConfigPath(directory: string): string {
  const decoder = join(directory, "vae_decoder", "config.json");
  const whole = join(directory, "vae", "config.json");
  return existsSync(decoder) || !existsSync(whole) ? decoder : whole;
}
