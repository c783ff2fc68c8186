import { statSync } from "node:fs";
import { JsonNumber, type JsonValue, parseStrictJson } from "../../ir/format/strict-json.js";
import { readRegularText } from "../regular-file.js";
import { loraError } from "./errors.js";
import { firstMatches } from "./patterns.js";

/** How PEFT was asked to train, as its configuration or the metadata of Diffusers say. */
export interface LoraSettings {
  /** File, or file and key, that messages name. */
  readonly place: string;
  /** PEFT's method, in upper case. */
  readonly method: string;
  readonly alpha: number;
  /** Where given: LoRA has it in its factors as well. */
  readonly rank: number | undefined;
  /** The scale is alpha / √rank instead of alpha / rank. */
  readonly rankStabilized: boolean;
  /** Every LoRA has magnitudes beside its factors. */
  readonly dora: boolean;
  readonly alphaPatterns: ReadonlyMap<string, number>;
  readonly rankPatterns: ReadonlyMap<string, number>;
  /** OFT: whether rotations are the first terms of a series, and how many of them; exact if undefined. */
  readonly neumannTerms: number | undefined;
}

/** PEFT's own default, for configurations that leave it out. */
const DEFAULT_ALPHA = 8;
const METHODS: ReadonlySet<string> = new Set(["LORA", "LOHA", "LOKR", "IA3", "OFT"]);
/** Initializations that also change the base model, which is then another one than ours. */
const CHANGES_BASE = /^(?:pissa|corda|olora|loftq|lora_ga|mica)/i;
/** Options with which an update is something else than its factors say. */
const UNSUPPORTED = [
  "layer_replication",
  "alora_invocation_tokens",
  "use_qalora",
  "use_bdlora",
  "trainable_token_indices",
  "target_parameters",
  "coft",
  "kasa_config",
  "velora_config",
  "arrow_config",
  "monteclora_config",
];
/** An adapter's configuration has some kilobytes. */
const MOST_BYTES = 1 << 24;

type Fields = ReadonlyMap<string, JsonValue>;

/** The settings of an `adapter_config.json`. Throws TRITC_E_LORA. */
export function configSettings(file: string): LoraSettings {
  const { size } = statSync(file);
  if (size > MOST_BYTES) {
    throw loraError({
      place: file,
      message: "the file is too large for a configuration",
      found: `${size} bytes`,
    });
  }
  return settingsOf(fieldsOf(readRegularText(file, MOST_BYTES), file), file);
}

/** Where Diffusers keeps PEFT's configuration, with keys such as `transformer.lora_alpha`. */
const KEY = "lora_adapter_metadata";
const PREFIX = "transformer.";

/** The settings in a file's metadata, if it has any for the transformer. Throws TRITC_E_LORA. */
export function metadataSettings(
  metadata: ReadonlyMap<string, string>,
  file: string,
): LoraSettings | undefined {
  const text = metadata.get(KEY);
  if (text === undefined) return undefined;
  const place = `${file}: ${KEY}`;
  const own = [...fieldsOf(text, place)].filter(([name]) => name.startsWith(PREFIX));
  if (own.length === 0) return undefined;
  return settingsOf(new Map(own.map(([name, value]) => [name.slice(PREFIX.length), value])), place);
}

function settingsOf(fields: Fields, place: string): LoraSettings {
  const type = fields.get("peft_type");
  const method = typeof type === "string" ? type.toUpperCase() : "LORA";
  const init = fields.get("init_lora_weights");
  const refused = UNSUPPORTED.find((name) => isSet(fields.get(name)));
  const asks =
    refused ??
    (typeof init === "string" && CHANGES_BASE.test(init) ? `init_lora_weights ${init}` : undefined);
  if (!METHODS.has(method) || asks !== undefined) {
    throw loraError({
      place,
      message: "the adapter was trained in a way that cannot be merged",
      expected: `${[...METHODS].join(", ")}, on the model as it is`,
      found: asks ?? method,
      remedy: "merge it into the model with the tool that made it, and compile the result",
    });
  }
  const neumann = fields.get("use_cayley_neumann") ?? true;
  return {
    place,
    method,
    alpha: numberOf(fields, method === "LORA" ? "lora_alpha" : "alpha", place) ?? DEFAULT_ALPHA,
    rank: numberOf(fields, "r", place),
    rankStabilized: isSet(fields.get("use_rslora")),
    dora: isSet(fields.get("use_dora")),
    alphaPatterns: patternsOf(fields, "alpha_pattern", place),
    rankPatterns: patternsOf(fields, "rank_pattern", place),
    neumannTerms: neumann === true ? (numberOf(fields, "num_cayley_neumann_terms", place) ?? 5) : undefined,
  };
}

function isSet(value: JsonValue | undefined): boolean {
  if (value instanceof Map) return value.size > 0;
  return value !== undefined && value !== null && value !== false;
}

function fieldsOf(text: string, place: string): Fields {
  try {
    const value = parseStrictJson(text);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw loraError({
    place,
    message: "the adapter's configuration is no JSON object",
    remedy: "download it again",
  });
}

function numberOf(fields: Fields, name: string, place: string): number | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  return finite(value, name, place);
}

function finite(value: JsonValue, name: string, place: string): number {
  const number = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
  if (Number.isFinite(number)) return number;
  throw loraError({
    place: `${place}: ${name}`,
    message: "this is no finite number",
    expected: "a number such as 16",
    found: typeof value === "string" ? JSON.stringify(value) : "another value",
    remedy: "download the adapter again",
  });
}

function patternsOf(fields: Fields, name: string, place: string): ReadonlyMap<string, number> {
  const value = fields.get(name);
  if (!(value instanceof Map)) return new Map();
  return new Map(
    [...value].map(([pattern, number]) => [pattern, finite(number, `${name}.${pattern}`, place)]),
  );
}

/** What the settings say of modules, by their names. Throws TRITC_E_LORA for patterns that are none. */
export function moduleSettings(
  settings: LoraSettings,
  names: readonly string[],
): ReadonlyMap<string, { readonly alpha: number; readonly rank: number | undefined }> {
  const alphas = matched(settings, settings.alphaPatterns, names);
  const ranks = matched(settings, settings.rankPatterns, names);
  return new Map(
    names.map((name, i) => [name, { alpha: alphas[i] ?? settings.alpha, rank: ranks[i] ?? settings.rank }]),
  );
}

function matched(
  { place }: LoraSettings,
  patterns: ReadonlyMap<string, number>,
  names: readonly string[],
): readonly (number | undefined)[] {
  const values = [...patterns.values()];
  try {
    return firstMatches([...patterns.keys()], names).map((index) => values[index]);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    throw loraError({
      place,
      message: "a pattern for modules cannot be used",
      expected: "regular expressions, as PEFT reads them",
      found: error.message,
      remedy: "mend alpha_pattern and rank_pattern in the adapter's configuration",
    });
  }
}
