import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTokenizer } from "../../runtime/node/tokenizer.js";

let root = "";

async function folder(name: string, files: Readonly<Record<string, string | object>>): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  for (const [file, content] of Object.entries(files)) {
    await writeFile(join(path, file), typeof content === "string" ? content : JSON.stringify(content));
  }
  return path;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tritc-tokenizer-"));
});
afterAll(() => rm(root, { recursive: true }));

describe("the small model's word tokenizer", () => {
  it("pads with id 0, ignores case, truncates and maps unknown words", async () => {
    const tokenizer = await openTokenizer("test/models/shapes/tokenizer", 77);
    expect(tokenizer.maxLength).toBe(12);
    expect(tokenizer.encode("a photo of a Red  circle")).toEqual([1, 2, 3, 1, 5, 12, 0, 0, 0, 0, 0, 0]);
    expect(tokenizer.encode("a zebra left of a ring", 6)).toEqual([1, 0, 25, 3, 1, 16]);
    expect(tokenizer.encode("")).toEqual(new Array(12).fill(0));
    expect(tokenizer.encode("a ".repeat(40))).toEqual(new Array(12).fill(1));
  });
});

describe("CLIP's vocab.json and merges.txt", () => {
  const words = [
    "!",
    "2",
    "c",
    "a",
    "t",
    "s",
    "!</w>",
    "2</w>",
    "c</w>",
    "a</w>",
    "t</w>",
    "s</w>",
    "'",
    "'</w>",
  ];
  const vocab = Object.fromEntries(
    [...words, "ca", "cat</w>", "'s</w>", "<|startoftext|>", "<|endoftext|>"].map((token, id) => [token, id]),
  );
  const merges = "#version: 0.2\nc a\nca t</w>\n' s</w>\n";
  const [start, end, cat, a] = [17, 18, 15, 9];
  const config = {
    model_max_length: 77,
    pad_token: { content: "<|endoftext|>", __type: "AddedToken" },
    tokenizer_class: "CLIPTokenizer",
  };

  it("lower-cases, merges, ends words, and frames with start and end", async () => {
    const path = await folder("clip", {
      "vocab.json": vocab,
      "merges.txt": merges,
      "tokenizer_config.json": config,
    });
    const tokenizer = await openTokenizer(path, 77);
    const ids = tokenizer.encode("A cat's  CAT 22!");
    // Digits stand alone, 's is a word of its own, the rest is padded with the end token.
    expect(ids.slice(0, 9)).toEqual([start, a, cat, 16, cat, 7, 7, 6, end]);
    expect(ids.length).toBe(77);
    expect(ids.slice(9)).toEqual(new Array(68).fill(end));
  });

  it("truncates the words and keeps the end token", async () => {
    const path = await folder("clip-long", {
      "vocab.json": vocab,
      "merges.txt": merges,
      "tokenizer_config.json": config,
    });
    const ids = (await openTokenizer(path, 77)).encode("cat ".repeat(100));
    expect(ids).toEqual([start, ...new Array<number>(75).fill(cat), end]);
  });

  it("names the file without its special tokens", async () => {
    const path = await folder("clip-bare", {
      "vocab.json": { a: 0 },
      "merges.txt": merges,
      "tokenizer_config.json": config,
    });
    await expect(openTokenizer(path, 77)).rejects.toThrow(/vocab\.json[\s\S]*startoftext/);
  });
});

describe("a T5-like tokenizer", () => {
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: "<pad>",
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
      {
        id: 1,
        content: "</s>",
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
      pair: [],
      special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
    },
    decoder: null,
    model: {
      type: "Unigram",
      unk_id: 2,
      vocab: [
        ["<pad>", 0],
        ["</s>", 0],
        ["<unk>", 0],
        ["▁a", -2],
        ["▁cat", -3],
        ["s", -4],
      ],
    },
  };

  it("ends with </s>, pads with <pad>, caps an endless model_max_length", async () => {
    const config = {
      model_max_length: 1e30,
      pad_token: "<pad>",
      tokenizer_class: "T5Tokenizer",
      eos_token: "</s>",
    };
    const path = await folder("t5", { "tokenizer.json": json, "tokenizer_config.json": config });
    const tokenizer = await openTokenizer(path, 512);
    expect(tokenizer.maxLength).toBe(512);
    expect(tokenizer.encode("a cats", 6)).toEqual([3, 4, 5, 1, 0, 0]);
    expect(tokenizer.encode("a cat cat a a", 4)).toEqual([3, 4, 4, 1]);
  });

  it("finds the padding token in special_tokens_map.json, and says when it is nowhere", async () => {
    const files = { "tokenizer.json": json, "tokenizer_config.json": { model_max_length: 8 } };
    const path = await folder("t5-map", {
      ...files,
      "special_tokens_map.json": { pad_token: { content: "<pad>" } },
    });
    expect((await openTokenizer(path, 512)).encode("a")).toEqual([3, 1, 0, 0, 0, 0, 0, 0]);
    const bare = await folder("t5-bare", files);
    await expect(openTokenizer(bare, 512)).rejects.toThrow(/which token pads/);
  });
});

it("a pattern that takes forever is stopped, and named", async () => {
  const source = "test/models/shapes/tokenizer";
  const read = async (file: string) => JSON.parse(await readFile(join(source, file), "utf8")) as object;
  const pattern = { Regex: "^(([a-z ])+)+$" };
  const path = await folder("catastrophic", {
    "tokenizer_config.json": await read("tokenizer_config.json"),
    "tokenizer.json": {
      ...(await read("tokenizer.json")),
      pre_tokenizer: { type: "Split", pattern, behavior: "Isolated", invert: false },
    },
  });
  const tokenizer = await openTokenizer(path, 77, 0.3);
  expect(tokenizer.encode("a red circle").length).toBe(tokenizer.maxLength);
  expect(() => tokenizer.encode(`${"a".repeat(60)}!`)).toThrow(/tokenizer\.json.*does not come to an end/);
});
