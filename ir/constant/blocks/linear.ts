import { type BlockLayout, halfAt } from "./layout.js";

/** Blocks of 32 elements, d·q or d·q + m. Products and sums are exact before they are rounded to f32. */
const ELEMENTS = 32;

/** Q8_0: scale, then signed bytes. */
export const Q8_0: BlockLayout = {
  elements: ELEMENTS,
  bytes: 34,
  dtype: "f32",
  decode(bytes, from, out, to) {
    const d = halfAt(bytes, from);
    for (let i = 0; i < ELEMENTS; i++) out[to + i] = d * ((bytes[from + 2 + i]! << 24) >> 24);
  },
};

interface Form {
  /** Whether the block has a fifth bit of each code, in a word before the others. */
  readonly fifth: boolean;
  /** Whether it has a minimum; else codes are centered. */
  readonly minimum: boolean;
}

/** Q4_0, Q4_1, Q5_0, Q5_1: elements i and i + 16 are the halves of byte i. */
export function nibbles({ fifth, minimum }: Form): BlockLayout {
  const high = minimum ? 4 : 2;
  const low = high + (fifth ? 4 : 0);
  const center = minimum ? 0 : fifth ? 16 : 8;
  return {
    elements: ELEMENTS,
    bytes: low + 16,
    dtype: "f32",
    decode(bytes, from, out, to) {
      const d = halfAt(bytes, from);
      const m = minimum ? halfAt(bytes, from + 2) : 0;
      for (let i = 0; i < ELEMENTS; i++) {
        const nibble = (bytes[from + low + (i & 15)]! >> (i < 16 ? 0 : 4)) & 15;
        const bit = fifth ? (bytes[from + high + (i >> 3)]! >> (i & 7)) & 1 : 0;
        const q = d * (nibble + 16 * bit - center);
        out[to + i] = minimum ? q + m : q;
      }
    },
  };
}
