/** Prompts to token ids, padded and truncated the way FLUX's text encoders expect. */
import { TritcError } from "../../ir/errors.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { asObject, type JsonObject, type PipelineFiles, readJsonObject } from "./files.js";
import { readTokenizer } from "./tokenizer-files.js";

/** A tokenizer of the Hugging Face format, as the package `@huggingface/tokenizers` makes one. */
export interface Tokenizer {
  /** An id is undefined for a word outside a word-level vocabulary. */
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[] };
  token_to_id(token: string): number | undefined;
}

/** What makes tokenizers: the runtime has no package of its own. */
export interface TokenizerHost {
  /** `Tokenizer` of `@huggingface/tokenizers`. */
  readonly Tokenizer: new (
    json: object,
    config: object,
  ) => Tokenizer;
  /** Does work, and throws what `tooLong` gives where it takes longer; a page that has no such means just does it. */
  within<T>(seconds: number, work: () => T, tooLong: () => Error): T;
}

export interface PromptTokenizer {
  /** Ids per prompt that the tokenizer's own files ask for, at most the limit it was opened with. */
  readonly maxLength: number;
  /** Exactly `length` ids: special tokens added, truncated before them, padded at the end. */
  encode(prompt: string, length?: number): readonly number[];
  /** How many of these ids stand for the prompt, and not for padding. */
  count(prompt: string, length?: number): number;
}

/**
 * Opens a tokenizer folder: `tokenizer.json`, or the older forms that it stands for (CLIP's and Qwen's `vocab.json` and
 * `merges.txt`, T5's `spiece.model`), and `tokenizer_config.json`.
 *
 * @param folder below the pipeline
 * @param limit the most ids the model takes (77 for CLIP, 512 for T5); a larger `model_max_length` (some
 *   files say 10^30 for "no limit") is cut to it
 * @param seconds the most that a prompt may take: the patterns of a `tokenizer.json` may be made to take forever
 */
export async function openTokenizer(
  host: TokenizerHost,
  files: PipelineFiles,
  folder: string,
  limit: number,
  seconds = 10,
): Promise<PromptTokenizer> {
  const config = await readJsonObject(files, `${folder}/tokenizer_config.json`);
  const { place: jsonPath, ...json } = await readTokenizer(files, folder, config.entries);
  let tokenizer: Tokenizer;
  try {
    tokenizer = new host.Tokenizer(json.raw, config.raw);
  } catch (cause) {
    throw malformed(jsonPath, "a tokenizer of the Hugging Face format", String(cause));
  }
  const declared = config.entries.get("model_max_length");
  const maxLength = typeof declared === "number" && declared > 0 && declared < limit ? declared : limit;
  const padId = await findPadId(files, folder, tokenizer, config.entries, json.entries);
  const unknownToken = asObject(json.entries.get("model"))?.get("unk_token");
  const unknownId = typeof unknownToken === "string" ? tokenizer.token_to_id(unknownToken) : undefined;

  // The original lowers letter by letter; only this one is another at the end of a word in JavaScript.
  const lowers = JSON.stringify(json.entries.get("normalizer") ?? null).includes('"Lowercase"');
  const ids = (text: string, special: boolean): number[] =>
    tokenizer
      .encode(json.normalize(lowers ? text.replaceAll("Σ", "σ") : text), { add_special_tokens: special })
      .ids.map((id) => {
        const known = id ?? unknownId;
        if (known === undefined) throw malformed(jsonPath, "an id or an unknown token for every word", text);
        return known;
      });

  const tooLong = () =>
    new TritcError({
      code: "TRITC_E_TOKENIZER",
      message: "the tokenizer does not come to an end with this prompt",
      place: jsonPath,
      expected: `token ids within ${seconds} s`,
      remedy: "use the tokenizer of the model's own repository, or another prompt",
    });
  const keep = (prompt: string, length: number): number[] => {
    const full = ids(prompt, true);
    return full.length <= length ? full : truncate(full, ids(prompt, false), length);
  };
  const kept = (prompt: string, length: number) => host.within(seconds, () => keep(prompt, length), tooLong);
  return {
    maxLength,
    encode(prompt, length = maxLength) {
      const found = kept(prompt, length);
      return found.concat(new Array<number>(length - found.length).fill(padId));
    },
    count: (prompt, length = maxLength) => kept(prompt, length).length,
  };
}

/** Drops the last words, never the special tokens around them. */
function truncate(full: readonly number[], words: readonly number[], length: number): number[] {
  const specials = full.length - words.length;
  let start = 0;
  while (start < specials && words.some((id, i) => full[start + i] !== id)) start++;
  return [
    ...full.slice(0, start),
    ...words.slice(0, Math.max(0, length - specials)),
    ...full.slice(start + words.length),
  ].slice(0, length);
}

async function findPadId(
  files: PipelineFiles,
  folder: string,
  tokenizer: Tokenizer,
  config: JsonObject,
  json: JsonObject,
): Promise<number> {
  const map = `${folder}/special_tokens_map.json`;
  const special = files.has(map) ? (await readJsonObject(files, map)).entries : new Map<string, unknown>();
  for (const token of [config.get("pad_token"), special.get("pad_token")]) {
    const text = typeof token === "string" ? token : asObject(token)?.get("content");
    const id = typeof text === "string" ? tokenizer.token_to_id(text) : undefined;
    if (id !== undefined) return id;
  }
  const padId = asObject(json.get("padding"))?.get("pad_id");
  if (typeof padId === "number") return padId;
  throw new TritcError({
    code: "TRITC_E_PIPELINE_FILE",
    message: "the tokenizer does not say which token pads a short prompt",
    place: files.placeOf(`${folder}/tokenizer_config.json`),
    expected: "pad_token, a token of the vocabulary",
    found: JSON.stringify(config.get("pad_token")) ?? "none",
    remedy: "copy the tokenizer folder of the model's repository again",
  });
}
