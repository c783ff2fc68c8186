import { addedTokens } from "./added-token.js";
import type { JsonObject } from "./files.js";
import { pairsOf } from "./merges.js";

/** Contractions, words with what stands before them, single digits, signs with line breaks behind them, spaces: Qwen2's pattern. */
const QWEN_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** Whether a `tokenizer_config.json` is that of a Qwen2 tokenizer, which Qwen3 has too. */
export function isQwenTokenizer(config: JsonObject): boolean {
  const name = config.get("tokenizer_class");
  return typeof name === "string" && name.startsWith("Qwen2Tokenizer");
}

/**
 * The `tokenizer.json` that Qwen2's `vocab.json` and `merges.txt` amount to: byte-level BPE, whose tokens that are never cut
 * are listed in `added_tokens_decoder` of `tokenizer_config.json`, or in an `added_tokens.json` beside it.
 *
 * @param vocab token to id
 * @param merges the text of `merges.txt`
 * @param added of `added_tokens.json`: token to id
 */
export function qwenTokenizerJson(
  vocab: JsonObject,
  merges: string,
  config: JsonObject,
  added: JsonObject,
): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens([], config, added),
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: QWEN_WORDS }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(vocab),
      merges: pairsOf(merges),
    },
  };
}
