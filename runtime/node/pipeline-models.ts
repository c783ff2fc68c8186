/** The parts of an exported FLUX pipeline around the transformer: tokenizers, text encoders, VAE decoder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readSchedulerConfig, type SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { readVaeConfig, type VaeConfig } from "../../ir/sampling/vae-config.js";
import { latentGeometry, unpackLatents } from "../latents.js";
import { Turns } from "../turns.js";
import { missingFile, readJsonObject } from "./json-file.js";
import { type HostTensor, type OrtSession, openOrtSession } from "./ort-session.js";
import { openTokenizer, type PromptTokenizer } from "./tokenizer.js";

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

/** An 8-bit picture, row-major RGB. */
export interface Picture {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
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
  /** Frees the ONNX Runtime sessions when what they do is done; TRITC_E_CLOSED afterwards. */
  close(): Promise<void>;
}

export interface PipelineModelsOptions {
  /** Threads of ONNX Runtime; its own choice if absent. */
  readonly threads?: number | undefined;
}

const CLIP_LENGTH = 77;
const T5_LENGTH = 512;
/** Encoded prompts kept, in values: 32 of FLUX's size (512x4096), any number of small ones. */
const CACHE_VALUES = 2 ** 26;
const NETWORKS = ["text_encoder", "text_encoder_2", "vae_decoder"] as const;

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
  await checkModelIndex(directory);
  for (const network of NETWORKS) {
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
  const session = async (network: (typeof NETWORKS)[number]): Promise<OrtSession> => {
    turns.throwIfClosed();
    const opened =
      sessions.get(network) ?? openOrtSession(modelPath(directory, network), { threads: options.threads });
    sessions.set(network, opened);
    return opened;
  };

  const encodeAnew = async (prompt: string, textLength: TextLength): Promise<EncodedPrompt> => {
    const [clipPath, t5Path] = [modelPath(directory, "text_encoder"), modelPath(directory, "text_encoder_2")];
    const clip = await encodeText(clipPath, await session("text_encoder"), clipTokenizer, prompt);
    const pooled = pickOutput(clipPath, clip, ["pooler_output", "pooled_output"], 2);
    const t5 = await encodeText(t5Path, await session("text_encoder_2"), t5Tokenizer, prompt, textLength);
    const context = pickOutput(t5Path, t5, ["last_hidden_state"], 3);
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
    async decode(latents, height, width) {
      const geometry = latentGeometry(height, width, vaeConfig.latentChannels, vaeConfig.vaeScale);
      const bad = latents.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) throw notFinite(bad, latents[bad]);
      const sample = unpackLatents(latents, geometry).map(
        (z) => z / vaeConfig.scalingFactor + vaeConfig.shiftFactor,
      );
      const vae = await session("vae_decoder");
      const place = modelPath(directory, "vae_decoder");
      const shape = [1, geometry.channels, geometry.latentHeight, geometry.latentWidth];
      const outputs = await vae.run({ [onlyInput(place, vae)]: { data: sample, shape } });
      const image = pickOutput(place, outputs, ["sample"], 4);
      const [, channels, rows, columns] = image.shape;
      if (channels !== 3 || rows !== height || columns !== width) {
        throw modelError(
          place,
          "the decoded picture has another size",
          `[1,3,${height},${width}]`,
          show(image),
        );
      }
      return { rgb: toRgb(image.data, width * height), width, height };
    },
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
  place: string,
  encoder: OrtSession,
  tokenizer: PromptTokenizer,
  prompt: string,
  { exactly, preferably }: TextLength = {},
): Promise<ReadonlyMap<string, HostTensor>> {
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

/** The output of one of these names, or else the only one of that rank. */
function pickOutput(
  place: string,
  outputs: ReadonlyMap<string, HostTensor>,
  names: readonly string[],
  rank: number,
): HostTensor {
  for (const name of names) {
    const named = outputs.get(name);
    if (named?.shape.length === rank) return named;
  }
  const fitting = [...outputs.values()].filter((tensor) => tensor.shape.length === rank);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  const found = [...outputs].map(([name, tensor]) => `${name} ${show(tensor)}`).join(", ");
  throw modelError(place, "the model lacks an output", `${names[0] ?? ""} of rank ${rank}`, found);
}

function onlyInput(place: string, model: OrtSession): string {
  const [input, ...others] = model.inputs;
  if (input !== undefined && others.length === 0) return input.name;
  const found = model.inputs.map((i) => i.name).join(", ");
  throw modelError(place, "the decoder has other inputs", "latent_sample alone", found);
}

function modelError(place: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_MODEL",
    message,
    place,
    expected,
    found,
    remedy: "export the pipeline again with optimum-cli export onnx",
  });
}

function show(tensor: HostTensor): string {
  return `[${tensor.shape.join(",")}]`;
}

/** Planar [3, pixels] in [-1, 1] to interleaved 8-bit, clamped and rounded. */
function toRgb(planes: Float32Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(pixels * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) {
      const value = planes[channel * pixels + i] ?? 0;
      rgb[i * 3 + channel] = Math.round(Math.min(1, Math.max(0, value / 2 + 0.5)) * 255);
    }
  }
  return rgb;
}

function notFinite(index: number, value: number | undefined): TritcError {
  return new TritcError({
    code: "TRITC_E_NOT_FINITE",
    message: "the final latents hold a value that is not a finite number",
    place: `latents[${index}]`,
    expected: "finite numbers",
    found: String(value),
    remedy: "run tritc verify on the bundle, or try another device",
  });
}
