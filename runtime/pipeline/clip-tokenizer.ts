import { malformed } from "../../ir/sampling/pipeline-file.js";
import { addedToken, addedTokens } from "./added-token.js";
import type { JsonObject } from "./files.js";
import { pairsOf } from "./merges.js";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/** Contractions, letters, single digits, runs of anything else: CLIP's word pattern. */
const CLIP_WORDS =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * The `tokenizer.json` that CLIP's older files amount to. FLUX.1 repositories ship `vocab.json` and
 * `merges.txt` for the first tokenizer: lower-cased byte-level BPE whose words end in `</w>`.
 *
 * @param vocab token to id
 * @param merges the text of `merges.txt`
 * @param added of `added_tokens.json`: token to id
 */
export function clipTokenizerJson(
  vocab: JsonObject,
  merges: string,
  config: JsonObject,
  added: JsonObject,
  place: string,
): object {
  const startId = vocab.get(START);
  const endId = vocab.get(END);
  if (typeof startId !== "number" || typeof endId !== "number") {
    throw malformed(place, `ids for ${START} and ${END}`, `${vocab.size} tokens without them`);
  }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens([addedToken(startId, START), addedToken(endId, END)], config, added),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: CLIP_WORDS }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: [END, endId],
      cls: [START, startId],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: null,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: END,
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      vocab: Object.fromEntries(vocab),
      merges: pairsOf(merges),
    },
  };
}
