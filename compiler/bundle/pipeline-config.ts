import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readSchedulerConfig, type SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import { readVaeConfig, type VaeConfig } from "../../ir/sampling/vae-config.js";
import { readRegularText } from "../regular-file.js";

/** What a pipeline's configuration files say of how to draw. Null where a file is absent. */
export interface PipelineConfig {
  readonly folder: string;
  readonly scheduler: SchedulerConfig | null;
  readonly vae: VaeConfig | null;
  /** Side in pixels of the pictures that model and VAE were made for. */
  readonly sampleSize: number | null;
  /** Text tokens of the text encoder whose states the model reads. */
  readonly textLength: number | null;
  /** Whether the model was distilled to few steps without guidance; null where no file says. */
  readonly distilled: boolean | null;
  /** The class that the pipeline's index names; null where there is no index. */
  readonly className: string | null;
}

/** The most tokens that T5 gets; some tokenizers say 10^30 for "no limit". */
const MOST_TEXT_TOKENS = 512;
const MOST_BYTES = 1 << 24;

/** Reads and checks the files. Throws TRITC_E_SCHEDULER and TRITC_E_PIPELINE_FILE. */
export function readPipelineConfig(folder: string): PipelineConfig {
  const read = <T>(parse: (json: object, place: string) => T, ...path: readonly string[]): T | null => {
    const place = join(folder, ...path);
    const json = readJson(place);
    return json === undefined ? null : parse(json, place);
  };
  const vae = read(readVaeConfig, "vae_decoder", "config.json") ?? read(readVaeConfig, "vae", "config.json");
  const latents = read((json) => positive(json, "sample_size"), "transformer", "config.json");
  const tokenizer = existsSync(join(folder, "tokenizer_2")) ? "tokenizer_2" : "tokenizer";
  const tokens = read((json) => positive(json, "model_max_length"), tokenizer, "tokenizer_config.json");
  return {
    folder,
    scheduler: read(readSchedulerConfig, "scheduler", "scheduler_config.json"),
    vae,
    sampleSize: latents === null || vae === null ? (vae?.sampleSize ?? null) : latents * vae.vaeScale,
    textLength: tokens === null ? null : Math.min(tokens, MOST_TEXT_TOKENS),
    distilled: read((json) => flag(json, "is_distilled"), "model_index.json"),
    className: read((json) => word(json, "_class_name"), "model_index.json"),
  };
}

function readJson(file: string): object | undefined {
  const info = statSync(file, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  if (!info.isFile() || info.size > MOST_BYTES) throw malformed(file, "a JSON object", "no small file");
  let json: unknown;
  try {
    json = JSON.parse(readRegularText(file, MOST_BYTES));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(file, "a JSON object", error.message);
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  throw malformed(file, "a JSON object", Array.isArray(json) ? "a list" : typeof json);
}

/** A truth among an object's members, or null. */
function flag(json: object, name: string): boolean | null {
  const value = new Map<string, unknown>(Object.entries(json)).get(name);
  return typeof value === "boolean" ? value : null;
}

/** A text among an object's members, or null. */
function word(json: object, name: string): string | null {
  const value = new Map<string, unknown>(Object.entries(json)).get(name);
  return typeof value === "string" ? value : null;
}

/** A positive whole number among an object's members, or null. */
function positive(json: object, name: string): number | null {
  const value = new Map<string, unknown>(Object.entries(json)).get(name);
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
}
