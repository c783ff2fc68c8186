import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openTokenizer } from "../../runtime/node/tokenizer.js";

const folder = join(import.meta.dirname, "tokenizers");

interface Ids {
  readonly text: string;
  /** Without the padding at the end. */
  readonly clip: readonly number[];
  readonly t5: readonly number[];
}

/**
 * Ids that Transformers' CLIPTokenizer and Hugging Face's tokenizers library (for T5's tokenizer.json) give for small
 * vocabularies, cut to 77 and 32.
 */
const expected = JSON.parse(readFileSync(join(folder, "ids.json"), "utf8")) as readonly Ids[];

/** Cuts what pads a prompt off its end. */
function unpadded(ids: readonly number[], pad: number): readonly number[] {
  const last = ids.findLastIndex((id) => id !== pad);
  return ids.slice(0, last + 1);
}

describe("prompts of any kind have the ids that the original tokenizers give", async () => {
  const clip = await openTokenizer(join(folder, "clip"), 77);
  const t5 = await openTokenizer(join(folder, "t5"), 512);

  it.each(expected)("$text", ({ text, clip: clipIds, t5: t5Ids }) => {
    expect(clip.encode(text)).toHaveLength(77);
    expect(unpadded(clip.encode(text), 746)).toEqual(clipIds);
    expect(t5.encode(text, 32)).toHaveLength(32);
    expect(unpadded(t5.encode(text, 32), 0)).toEqual(t5Ids);
  });
});
