import { BLOCK_LAYOUTS } from "../../constant/blocks/index.js";
import { HELD, HELD_BLOCKS, type Held } from "../../ops/held.js";
import type { Language } from "../../program/program.js";
import { roundUp, type WeightLayout } from "./arguments.js";
import { size, type ValuesOf, word } from "./params.js";
import { DENSE_PANEL } from "./weights.js";

/** Elements of a row that share a scale, where there are scales. */
export const SCALED = 32;

/** What decides the layout of dense weights that are held in less than f32. */
export const narrowMatrix = { n: size, k: size, held: word(...HELD) };
export type NarrowLayout = ValuesOf<typeof narrowMatrix>;

/** Elements of a 32-bit word, the first in the lowest bits: bf16, signed bytes, or codes + 8 of 4 bits. */
export const PER_WORD: Readonly<Record<Held, number>> = { bf16: 2, int8: 4, int4: 8 };

/** Bytes of a row of `k` elements as they are stored; undefined where they are not stored so. */
export function storedRowBytes(held: Held, k: number): number | undefined {
  if (held === "bf16") return 2 * k;
  return k % SCALED === 0 ? (k / SCALED) * BLOCK_LAYOUTS[HELD_BLOCKS[held]].bytes : undefined;
}

/** Words of a row of elements, and its scales. */
export function narrowRow({ k, held }: Pick<NarrowLayout, "k" | "held">) {
  return { words: Math.ceil(k / PER_WORD[held]), scales: held === "bf16" ? 0 : k / SCALED };
}

/**
 * The layout that unpack-narrow makes and dense-gemm reads: words of a column's elements as dense weights have elements,
 * [column / panel][word][column % panel] or, in WGSL, [word][column]; behind all of them scales in f32, by the same rule.
 */
export function narrowLayout(matrix: NarrowLayout): WeightLayout {
  const { n, k, held } = matrix;
  const { words, scales } = narrowRow(matrix);
  const all = (language: Language) => roundUp(n, DENSE_PANEL[language]) * (words + scales);
  return {
    name: `${held} ${n} x ${k}`,
    words: { wat: all("wat"), wgsl: all("wgsl"), cuda: all("cuda") },
  };
}
