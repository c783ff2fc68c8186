/** The parts of an exported FLUX pipeline around the transformer: tokenizers, text encoders, VAE decoder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { DEFAULT_LATENTS, type LatentLayout } from "../../ir/models/index.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readSchedulerConfig, type SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { readVaeConfig, type VaeConfig } from "../../ir/sampling/vae-config.js";
import { Turns } from "../turns.js";
import { missingFile, readJsonObject } from "./json-file.js";
import { type Network, pickOutput } from "./network.js";
import { type HostTensor, type OrtSession, openOrtSession } from "./ort-session.js";
import type { Picture } from "./picture.js";
import { openTokenizer, type PromptTokenizer } from "./tokenizer.js";
import { decodeLatents, encodePlanes } from "./vae.js";

/** What the transformer gets to know of a prompt. */
export interface EncodedPrompt {
  /** [pooledWidth] CLIP's pooled output. */
  readonly pooled: Float32Array;
  readonly pooledWidth: number;
  /** [contextTokens, contextWidth] T5's last hidden state, padding included. */
  readonly context: Float32Array;
  readonly contextTokens: number;
  readonly contextWidth: number;
}

/** Tokens that the second text encoder gets: its tokenizer's own number where both are absent. */
export interface TextLength {
  /** No other number will do. */
  readonly exactly?: number | undefined;
  /** What is taken unless the encoder's graph fixes another. */
  readonly preferably?: number | undefined;
}

export interface PipelineModels {
  readonly schedulerConfig: SchedulerConfig;
  readonly vaeConfig: VaeConfig;
  /** Runs both text encoders, or returns what they gave for this prompt before. */
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
  /** How the transformer packs latents; as FLUX.1 does if absent. */
  readonly layout?: LatentLayout;
}

const CLIP_LENGTH = 77;
const T5_LENGTH = 512;
/** Encoded prompts kept, in values: 32 of FLUX's size (512x4096), any number of small ones. */
const CACHE_VALUES = 2 ** 26;
/** What every picture takes. */
const NETWORKS = ["text_encoder", "text_encoder_2", "vae_decoder"] as const;
const ENCODER = "vae_encoder";
type NetworkName = (typeof NETWORKS)[number] | typeof ENCODER;

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
  const { layout = DEFAULT_LATENTS } = options;
  await checkModelIndex(directory);
  for (const network of options.pictures === true ? [...NETWORKS, ENCODER] : NETWORKS) {
    const path = modelPath(directory, network);
    if (!existsSync(path)) throw missingFile(path);
  }
  const schedulerPath = join(directory, "scheduler", "scheduler_config.json");
  const schedulerConfig = readSchedulerConfig((await readJsonObject(schedulerPath)).raw, schedulerPath);
  const vaePath = vaeConfigPath(directory);
  const vaeConfig = readVaeConfig((await readJsonObject(vaePath)).raw, vaePath);
  const clipTokenizer = await openTokenizer(join(directory, "tokenizer"), CLIP_LENGTH);
  const t5Tokenizer = await openTokenizer(join(directory, "tokenizer_2"), T5_LENGTH);

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

  const encodeAnew = async (prompt: string, textLength: TextLength): Promise<EncodedPrompt> => {
    const [clip, t5] = [network("text_encoder"), network("text_encoder_2")];
    const vectors = await encodeText(clip, clipTokenizer, prompt);
    const pooled = pickOutput(clip.place, vectors, ["pooler_output", "pooled_output"], 2);
    const states = await encodeText(t5, t5Tokenizer, prompt, textLength);
    const context = pickOutput(t5.place, states, ["last_hidden_state"], 3);
    return {
      pooled: pooled.data,
      pooledWidth: pooled.data.length,
      context: context.data,
      contextTokens: context.shape[1] ?? 0,
      contextWidth: context.shape[2] ?? 0,
    };
  };
  const cache = new Map<string, Promise<EncodedPrompt>>();
  let room: number | undefined;

  return {
    schedulerConfig,
    vaeConfig,
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
      decodeLatents(network("vae_decoder"), vaeConfig, layout, latents, { height, width }),
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

async function checkModelIndex(directory: string): Promise<void> {
  const path = join(directory, "model_index.json");
  const name = (await readJsonObject(path)).entries.get("_class_name");
  if (typeof name === "string" && /Flux/i.test(name) && !/Flux2/i.test(name)) return;
  throw malformed(
    path,
    "_class_name of a FLUX.1 pipeline, such as FluxPipeline",
    JSON.stringify(name) ?? "none",
  );
}

function vaeConfigPath(directory: string): string {
  const decoder = join(directory, "vae_decoder", "config.json");
  const whole = join(directory, "vae", "config.json");
  return existsSync(decoder) || !existsSync(whole) ? decoder : whole;
}

/** Runs a text encoder on one prompt. A length that its graph fixes wins over the tokenizer's. */
async function encodeText(
  { place, open }: Network,
  tokenizer: PromptTokenizer,
  prompt: string,
  { exactly, preferably }: TextLength = {},
): Promise<ReadonlyMap<string, HostTensor>> {
  const encoder = await open();
  const known = encoder.inputs.find((input) => input.name === "input_ids")?.shape[1];
  const fixed = typeof known === "number" && known > 0 ? known : undefined;
  if (fixed !== undefined && exactly !== undefined && fixed !== exactly) {
    throw new TritcError({
      code: "TRITC_E_TEXT_LENGTH",
      message: "the text encoder was exported for another text length",
      place,
      expected: `${fixed} tokens`,
      found: `${exactly} tokens`,
      remedy: "export the text encoder with dynamic axes, or for this length; or leave --text-length out",
    });
  }
  const length = exactly ?? fixed ?? preferably ?? tokenizer.maxLength;
  const shape = [1, length];
  return encoder.run({
    input_ids: { data: Float32Array.from(tokenizer.encode(prompt, length)), shape },
    // FLUX passes no mask, so its encoders attend to the padding too.
    attention_mask: { data: new Float32Array(length).fill(1), shape },
  });
}
