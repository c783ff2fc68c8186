import { checkWhole } from "../../../ir/bounds.js";
import { normals, philox4x32, seedWords, uniform, type Words4 } from "../../../runtime/noise.js";

/** Which random numbers: a training's seed, a step, and a number for what they are drawn for. */
export interface Draw {
  readonly seed: number | bigint;
  readonly step: number;
  readonly purpose: number;
}

/** Numbers uniform in (0, 1): by the draw alone, and a shorter request is a prefix of a longer one. */
export function drawUniforms(draw: Draw, count: number): Float64Array {
  const wordsOf = wordsFor(draw);
  const numbers = new Float64Array(count);
  for (let block = 0; block * 4 < count; block++) {
    // Writes past the end of a typed array are ignored.
    for (const [i, word] of wordsOf(block).entries()) numbers[block * 4 + i] = uniform(word);
  }
  return numbers;
}

/** Standard normal numbers, likewise. */
export function drawNormals(draw: Draw, count: number): Float32Array {
  return normals(count, wordsFor(draw));
}

/** Blocks of four random words. The 1 keeps them apart from those that pictures of the same seed begin as. */
function wordsFor({ seed, step, purpose }: Draw): (block: number) => Words4 {
  checkWhole("step", step, 0, 2 ** 32 - 1);
  const [key0, key1] = seedWords(seed);
  return (block) => philox4x32([block, purpose, step, 1], key0, key1);
}
