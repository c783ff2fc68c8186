import { malformed } from "../../ir/sampling/pipeline-file.js";
import { addedToken, addedTokens } from "./added-token.js";
import type { JsonObject } from "./files.js";
import { protobufFields } from "./protobuf.js";

// Fields of sentencepiece_model.proto.
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { piece: 1, score: 2, type: 3 } as const;
const TRAINER = { modelType: 3, byteFallback: 35, unknownId: 40 } as const;
const NORMALIZER = { charsmap: 2 } as const;

const UNIGRAM = 1;
/** Types of pieces that stand for no text. */
const [UNKNOWN, CONTROL] = [2, 3];
/** T5 numbers them behind its pieces, the last first. */
const EXTRA_TOKENS = 100;
const END = "</s>";

interface SentencePieces {
  readonly pieces: readonly (readonly [piece: string, score: number])[];
  /** Pieces that stand for no text, by their number. */
  readonly controls: readonly number[];
  readonly modelType: number;
  readonly byteFallback: boolean;
  readonly unknownId: number;
  /** The table by which characters are replaced; see `Charsmap`. Empty where none are. */
  readonly charsmap: Uint8Array;
}

/**
 * The `tokenizer.json` that T5's `spiece.model` amounts to, for folders that have no other: a SentencePiece model of
 * unigrams. Text is normalized by its table before. Throws TRITC_E_PIPELINE_FILE for models of other kinds.
 *
 * @param config of `tokenizer_config.json`
 * @param added of `added_tokens.json`: token to id
 */
export function t5Tokenizer(
  model: Uint8Array,
  config: JsonObject,
  added: JsonObject,
  place: string,
): { readonly json: object; readonly charsmap: Uint8Array } {
  const { pieces, controls, modelType, byteFallback, unknownId, charsmap } = readModel(model, place);
  const refuse = (what: string, found: string) =>
    malformed(place, `a SentencePiece model ${what}, or tokenizer.json beside it`, found);
  if (modelType !== UNIGRAM) throw refuse("of unigrams, as T5's is", `model type ${modelType}`);
  if (byteFallback) throw refuse("without bytes for unknown text", "byte_fallback");
  const endId = pieces.findIndex(([piece]) => piece === END);
  if (endId < 0) throw refuse(`with the piece ${END}`, `${pieces.length} pieces without it`);
  const declared = config.get("extra_ids");
  const extra = typeof declared === "number" && declared >= 0 && declared < 1e6 ? declared : EXTRA_TOKENS;
  const extraTokens = Array.from({ length: extra }, (_, i) => `<extra_id_${extra - 1 - i}>`);
  const known = [
    ...controls.map((id) => addedToken(id, pieces[id]?.[0] ?? "")),
    ...extraTokens.map((token, i) => addedToken(pieces.length + i, token)),
  ];
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(known, config, added),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "WhitespaceSplit" },
        { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: END, type_id: 0 } }],
      pair: [],
      special_tokens: { [END]: { id: END, ids: [endId], tokens: [END] } },
    },
    decoder: null,
    model: {
      type: "Unigram",
      unk_id: unknownId,
      vocab: [...pieces, ...extraTokens.map((token) => [token, 0] as const)],
      byte_fallback: false,
    },
  };
  return { json, charsmap };
}

function readModel(model: Uint8Array, place: string): SentencePieces {
  const pieces: (readonly [string, number])[] = [];
  const controls: number[] = [];
  let [modelType, unknownId, byteFallback] = [UNIGRAM, 0, false];
  let charsmap: Uint8Array = new Uint8Array();
  try {
    for (const { field, value } of protobufFields(model)) {
      if (typeof value === "number") continue;
      if (field === MODEL.pieces) {
        const { piece, score, type } = readPiece(value);
        if (type === CONTROL || type === UNKNOWN) controls.push(pieces.length);
        pieces.push([piece, score]);
      } else if (field === MODEL.trainer) {
        for (const { field: own, value: number } of protobufFields(value)) {
          if (own === TRAINER.modelType) modelType = Number(number);
          if (own === TRAINER.unknownId) unknownId = Number(number);
          if (own === TRAINER.byteFallback) byteFallback = number !== 0;
        }
      } else if (field === MODEL.normalizer) {
        for (const { field: own, value: bytes } of protobufFields(value)) {
          if (own === NORMALIZER.charsmap && typeof bytes !== "number") charsmap = bytes;
        }
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw malformed(place, "a SentencePiece model", error.message);
  }
  if (pieces.length === 0) throw malformed(place, "a SentencePiece model", "no pieces");
  return {
    pieces,
    controls,
    modelType,
    byteFallback,
    unknownId,
    charsmap,
  };
}

function readPiece(bytes: Uint8Array) {
  let [piece, score, type] = ["", 0, 1];
  for (const { field, value } of protobufFields(bytes)) {
    if (typeof value === "number") {
      if (field === PIECE.type) type = value;
    } else if (field === PIECE.piece) piece = textOf(value);
    else if (field === PIECE.score && value.length === 4) {
      score = new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
    }
  }
  return { piece, score, type };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
