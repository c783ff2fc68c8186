/** Older forms of tokenizers give the ids that Transformers' classes give for the same files. */
import { readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTokenizer } from "../../runtime/node/tokenizer.js";

const folder = join(import.meta.dirname, "tokenizers");
let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tritc-tokenizer-forms-"));
});
afterAll(() => rm(root, { recursive: true }));

interface Ids {
  readonly text: string;
  /** Of Transformers 5.24. */
  readonly ids: readonly number[];
}

const idsOf = (name: string) =>
  JSON.parse(readFileSync(join(folder, name, "ids.json"), "utf8")) as readonly Ids[];

// T5's model was trained with a small table of characters that are replaced: the usual one has 240 kB.
describe.each([
  ["qwen2", "qwen2", "Qwen2's vocab.json and merges.txt"],
  ["t5-spiece", "t5-spiece", "T5's spiece.model"],
  ["t5-precompiled", "t5-spiece", "the tokenizer.json that Transformers makes of it"],
])("%s (%s): %s", async (name, ids, _) => {
  const tokenizer = await openTokenizer(join(folder, name), 512);

  it.each(idsOf(ids))("$text", ({ text, ids }) => {
    const count = tokenizer.count(text);
    expect(tokenizer.encode(text).slice(0, count)).toEqual(ids);
    expect(new Set(tokenizer.encode(text).slice(count)).size).toBeLessThanOrEqual(1);
  });
});

/** A copy of a tokenizer with some of its files changed. */
async function changed(name: string, copy: string, files: Readonly<Record<string, string | Uint8Array>>) {
  const to = join(root, copy);
  await cp(join(folder, name), to, { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(to, file), content);
  return to;
}

it("finds Qwen2's special tokens in added_tokens.json too", async () => {
  const config = JSON.parse(readFileSync(join(folder, "qwen2", "tokenizer_config.json"), "utf8"));
  const { added_tokens_decoder: tokens, ...rest } = config as {
    readonly added_tokens_decoder: Readonly<Record<string, { readonly content: string }>>;
  };
  const added = Object.fromEntries(Object.entries(tokens).map(([id, { content }]) => [content, Number(id)]));
  const copy = await changed("qwen2", "added-tokens", {
    "tokenizer_config.json": JSON.stringify(rest),
    "added_tokens.json": JSON.stringify(added),
  });
  const tokenizer = await openTokenizer(copy, 512);
  for (const { text, ids } of idsOf("qwen2")) {
    expect(tokenizer.encode(text).slice(0, tokenizer.count(text))).toEqual(ids);
  }
});

/** Tokens that are added to a vocabulary, as textual inversion adds them. */
const WORD = { content: "<sks>", normalized: true, special: false };
const EAGER = { content: "<lst>", lstrip: true, rstrip: true, normalized: false, special: false };

// Ids are those of Transformers 5.24.
it("finds tokens that CLIP's tokenizer_config.json adds, in lower-cased text and with the spaces beside them", async () => {
  const file = readFileSync(join(folder, "clip", "tokenizer_config.json"), "utf8");
  const config = JSON.parse(file) as { readonly added_tokens_decoder: object };
  const copy = await changed("clip", "clip-added", {
    "tokenizer_config.json": JSON.stringify({
      ...config,
      added_tokens_decoder: { ...config.added_tokens_decoder, 747: WORD, 749: EAGER },
    }),
    // Read where there is no added_tokens_decoder alone.
    "added_tokens.json": JSON.stringify({ photo: 750 }),
  });
  const tokenizer = await openTokenizer(copy, 77);
  const ids = (text: string) => tokenizer.encode(text).slice(0, tokenizer.count(text));
  expect(ids("photo of<sks>person")).toEqual([745, 709, 524, 747, 79, 576, 82, 523, 746]);
  expect(ids("A <SKS> Photo")).toEqual([745, 320, 747, 709, 746]);
  expect(ids("new <lst>  spaces")).toEqual([745, 77, 68, 342, 749, 82, 79, 64, 66, 68, 338, 746]);
});

it("finds tokens that lie beside T5's spiece.model in added_tokens.json", async () => {
  const copy = await changed("t5-spiece", "t5-added", {
    "added_tokens.json": JSON.stringify({ "<sks>": 208 }),
  });
  const tokenizer = await openTokenizer(copy, 512);
  const ids = (text: string) => tokenizer.encode(text).slice(0, tokenizer.count(text));
  expect(ids("photo of<sks>person")).toEqual([3, 9, 7, 8, 3, 6, 208, 40, 98, 43, 7, 13, 1]);
  expect(ids("the <sks><sks> twice")).toEqual([22, 208, 208, 67, 26, 23, 12, 1]);
});

describe("a spiece.model that is no T5's", () => {
  const model = readFileSync(join(folder, "t5-spiece", "spiece.model"));
  /** A trainer_spec behind the model: fields of a message that is given again win. */
  const trainer = (...fields: readonly number[]) => Uint8Array.of(...model, 0x12, fields.length, ...fields);

  it.each([
    ["cut short", model.subarray(0, model.length - 3), /spiece\.model[\s\S]*ends within/],
    ["of another kind", Buffer.from("version https://git-lfs.github.com/spec/v1"), /a SentencePiece model/],
    ["empty", new Uint8Array(), /no pieces/],
    ["of byte pairs", trainer(0x18, 2), /of unigrams[\s\S]*tokenizer\.json[\s\S]*model type 2/],
    ["with bytes for unknown text", trainer(0x98, 0x02, 1), /without bytes[\s\S]*byte_fallback/],
  ])("%s is refused", async (what, bytes, message) => {
    const copy = await changed("t5-spiece", `spiece ${what}`, { "spiece.model": bytes });
    await expect(openTokenizer(copy, 512)).rejects.toThrow(message);
    await expect(openTokenizer(copy, 512)).rejects.toMatchObject({ code: "TRITC_E_PIPELINE_FILE" });
  });

  it("with a damaged table of characters is refused", async () => {
    // A normalizer_spec whose table ends within its size.
    const bytes = Uint8Array.of(...model, 0x1a, 4, 0x12, 2, 1, 2);
    const copy = await changed("t5-spiece", "damaged-table", { "spiece.model": bytes });
    await expect(openTokenizer(copy, 512)).rejects.toThrow(/table of characters[\s\S]*cut/);
  });
});

it("a tokenizer.json whose table of characters is damaged is refused", async () => {
  const json = JSON.parse(readFileSync(join(folder, "t5-precompiled", "tokenizer.json"), "utf8")) as object;
  for (const [what, map] of [
    ["no base64", "*"],
    ["cut", "AAQ="],
  ] as const) {
    const normalizer = { type: "Precompiled", precompiled_charsmap: map };
    const copy = await changed("t5-precompiled", `table ${what}`, {
      "tokenizer.json": JSON.stringify({ ...json, normalizer }),
    });
    await expect(openTokenizer(copy, 512)).rejects.toMatchObject({ code: "TRITC_E_PIPELINE_FILE" });
  }
});
