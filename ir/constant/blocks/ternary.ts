import { roundToHalf } from "../float16.js";
import { type BlockLayout, halfAt } from "./layout.js";

/**
 * Blocks of few levels and one half-precision scale d, which values keep exactly. Codes c of ternary blocks stand for
 * d·(c − 1); the fourth code of two bits, which ternary weights do not have, is 2d.
 */

/** Two-bit codes in the order of their bits, behind the scale: Q2_0 of 64 elements, of 128 where Prism wrote it. */
export function consecutiveCodes(elements: number): BlockLayout {
  return {
    elements,
    bytes: 2 + elements / 4,
    dtype: "f16",
    decode(bytes, from, out, to) {
      const levels = ternaryLevels(halfAt(bytes, from));
      for (let i = 0; i < elements; i += 4) {
        const codes = bytes[from + 2 + (i >> 2)]!;
        out[to + i] = levels[codes & 3]!;
        out[to + i + 1] = levels[(codes >> 2) & 3]!;
        out[to + i + 2] = levels[(codes >> 4) & 3]!;
        out[to + i + 3] = levels[codes >> 6]!;
      }
    },
  };
}

/** TQ2_0: byte j of 32 has elements j, j + 32, j + 64, j + 96; twice, then the scale. */
export const TQ2_0: BlockLayout = {
  elements: 256,
  bytes: 66,
  dtype: "f16",
  decode(bytes, from, out, to) {
    const levels = ternaryLevels(halfAt(bytes, from + 64));
    for (let i = 0; i < 64; i++) {
      const codes = bytes[from + i]!;
      const at = to + (i >> 5) * 128 + (i & 31);
      for (let n = 0; n < 4; n++) out[at + 32 * n] = levels[(codes >> (2 * n)) & 3]!;
    }
  },
};

/** Q1_0: a bit for +d, none for −d, behind the scale. */
export const Q1_0: BlockLayout = {
  elements: 128,
  bytes: 18,
  dtype: "f16",
  decode(bytes, from, out, to) {
    const d = halfAt(bytes, from);
    for (let i = 0; i < 128; i++) out[to + i] = (bytes[from + 2 + (i >> 3)]! >> (i & 7)) & 1 ? d : -d;
  },
};

/** Bytes of base 3, each with `digits` elements that lie `bytes` apart. */
interface Stage {
  readonly bytes: number;
  readonly digits: number;
}

/** TQ1_0 and PTQ1_0: stages one after the other, then the scale. Byte v holds digit n as (v·3ⁿ mod 256)·3 >> 8. */
export function baseThree(stages: readonly Stage[]): BlockLayout {
  const count = stages.reduce((sum, stage) => sum + stage.bytes, 0);
  return {
    elements: stages.reduce((sum, stage) => sum + stage.bytes * stage.digits, 0),
    bytes: count + 2,
    dtype: "f16",
    decode(bytes, from, out, to) {
      const levels = ternaryLevels(halfAt(bytes, from + count));
      let [byte, element] = [from, to];
      for (const stage of stages) {
        for (let i = 0; i < stage.bytes; i++) {
          let v = bytes[byte + i]!;
          for (let n = 0; n < stage.digits; n++) {
            out[element + n * stage.bytes + i] = levels[(v * 3) >> 8]!;
            v = (v * 3) & 255;
          }
        }
        byte += stage.bytes;
        element += stage.bytes * stage.digits;
      }
    },
  };
}

/** Zero has no sign, whatever the scale's. */
function ternaryLevels(d: number): readonly [number, number, number, number] {
  return [-d, 0, d, roundToHalf(2 * d)];
}
