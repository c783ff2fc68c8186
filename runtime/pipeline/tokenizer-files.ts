import { malformed } from "../../ir/sampling/pipeline-file.js";
import { Charsmap } from "./charsmap.js";
import { clipTokenizerJson } from "./clip-tokenizer.js";
import {
  asObject,
  type JsonObject,
  missingFile,
  type PipelineFiles,
  readJsonObject,
  readPipelineFile,
} from "./files.js";
import { isQwenTokenizer, qwenTokenizerJson } from "./qwen-tokenizer.js";
import { t5Tokenizer } from "./sentencepiece.js";

/** What a tokenizer's folder says, in the form of a `tokenizer.json`. */
export interface TokenizerJson {
  /** The file it was read from, for messages. */
  readonly place: string;
  readonly raw: object;
  readonly entries: JsonObject;
  /** What is done to a text before. */
  readonly normalize: (text: string) => string;
}

/**
 * Reads `tokenizer.json`, or where there is none the older files that it stands for.
 *
 * @param config of `tokenizer_config.json`
 */
export async function readTokenizer(
  files: PipelineFiles,
  folder: string,
  config: JsonObject,
): Promise<TokenizerJson> {
  const path = (name: string) => `${folder}/${name}`;
  const [json, vocab, pieces] = [path("tokenizer.json"), path("vocab.json"), path("spiece.model")];
  const tokens = files.has(json) ? none : await addedIn(files, path("added_tokens.json"));
  if (!files.has(json) && files.has(path("merges.txt"))) {
    const { entries } = await readJsonObject(files, vocab);
    const merges = await readPipelineFile(files, path("merges.txt"));
    const place = files.placeOf(vocab);
    if (!isQwenTokenizer(config))
      return made(place, clipTokenizerJson(entries, merges, config, tokens, place));
    return made(place, qwenTokenizerJson(entries, merges, config, tokens));
  }
  if (!files.has(json) && files.has(pieces)) {
    const place = files.placeOf(pieces);
    const bytes = await readBytes(files, pieces);
    const { json: raw, charsmap } = t5Tokenizer(bytes, config, tokens, place);
    return made(place, raw, charsmap.length === 0 ? undefined : normalizerOf(charsmap, place));
  }
  const { raw } = await readJsonObject(files, json);
  return withoutCharsmap(files.placeOf(json), raw);
}

const none: JsonObject = new Map();

/** What `added_tokens.json` lists, where it is there. */
async function addedIn(files: PipelineFiles, path: string): Promise<JsonObject> {
  return files.has(path) ? (await readJsonObject(files, path)).entries : none;
}

function made(place: string, raw: object, normalize = (text: string) => text): TokenizerJson {
  return { place, raw, entries: new Map<string, unknown>(Object.entries(raw)), normalize };
}

const PRECOMPILED = "Precompiled";

/** The same, with its table of characters as a function where it comes first: the package has one of its own instead. */
function withoutCharsmap(place: string, raw: object): TokenizerJson {
  const normalizer = asObject(new Map<string, unknown>(Object.entries(raw)).get("normalizer"));
  const listed = normalizer?.get("normalizers");
  const sequence: readonly unknown[] = Array.isArray(listed) ? listed : [];
  const isAlone = normalizer?.get("type") === PRECOMPILED;
  const first = isAlone ? normalizer : asObject(sequence[0]);
  const map = first?.get("type") === PRECOMPILED ? first.get("precompiled_charsmap") : undefined;
  if (typeof map !== "string" || map === "") return made(place, raw);
  const rest = isAlone ? null : { type: "Sequence", normalizers: sequence.slice(1) };
  return made(place, { ...raw, normalizer: rest }, normalizerOf(fromBase64(map, place), place));
}

function normalizerOf(charsmap: Uint8Array, place: string): (text: string) => string {
  try {
    const table = new Charsmap(charsmap);
    return (text) => table.normalize(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw malformed(place, "a table of characters that SentencePiece has compiled", error.message);
  }
}

function fromBase64(text: string, place: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch (cause) {
    throw malformed(place, "precompiled_charsmap in base64", String(cause));
  }
}

async function readBytes(files: PipelineFiles, path: string): Promise<Uint8Array> {
  try {
    return await files.read(path);
  } catch (cause) {
    throw missingFile(files.placeOf(path), cause);
  }
}
