import { asObject, type JsonObject } from "./files.js";

/** An entry of `added_tokens` in a tokenizer.json: text that is never cut. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it is looked for in the normalized text. */
  readonly normalized: boolean;
  readonly special: boolean;
}

export function addedToken(id: number, content: string, special = true): AddedToken {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/** Tokens that a `tokenizer_config.json` names by their part. */
const SPECIAL = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];
const FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"] as const;

/**
 * The tokens that a folder's older files add to those that its kind of tokenizer has, which they may describe anew:
 * `added_tokens_decoder` of `tokenizer_config.json`, else `added_tokens.json`. Ascending by id.
 *
 * @param added of `added_tokens.json`: token to id
 */
export function addedTokens(
  known: readonly AddedToken[],
  config: JsonObject,
  added: JsonObject,
): readonly AddedToken[] {
  const described = asObject(config.get("added_tokens_decoder"));
  const own = described === undefined ? listed(config, added) : decoded(described);
  const byId = new Map([...known, ...own].map((token) => [token.id, token]));
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

function decoded(described: JsonObject): readonly AddedToken[] {
  return [...described].flatMap(([key, value]) => {
    const entry = asObject(value);
    const content = entry?.get("content");
    const id = Number(key);
    if (typeof content !== "string" || !Number.isSafeInteger(id)) return [];
    const token = addedToken(id, content);
    const flags = FLAGS.map((flag) => [flag, entry?.get(flag) ?? token[flag]] as const);
    return [{ ...token, ...Object.fromEntries(flags.filter(([, set]) => typeof set === "boolean")) }];
  });
}

/** As Transformers has it, tokens without a part of their own are looked for in the normalized text. */
function listed(config: JsonObject, added: JsonObject): readonly AddedToken[] {
  const more = config.get("additional_special_tokens");
  const named = [...SPECIAL.map((key) => config.get(key)), ...(Array.isArray(more) ? more : [])];
  const special = new Set(named.map((token) => asObject(token)?.get("content") ?? token));
  return [...added].flatMap(([content, id]) => {
    if (typeof id !== "number") return [];
    const isSpecial = special.has(content);
    return [{ ...addedToken(id, content, isSpecial), normalized: !isSpecial }];
  });
}
