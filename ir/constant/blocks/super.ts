import { type BlockLayout, halfAt } from "./layout.js";

/**
 * The K-quants: blocks of 256 elements in parts of 16 or 32, each with a scale (and a minimum) of few bits, which a
 * half-precision scale multiplies. Codes of two and of four bits are spread over rows of bytes, one after the other.
 */
const ELEMENTS = 256;

/** scales and minima [16] of 4 bits, codes [64], d, m: d·s·q − m·n. */
export const Q2_K: BlockLayout = {
  elements: ELEMENTS,
  bytes: 84,
  dtype: "f32",
  decode(bytes, from, out, to) {
    const d = halfAt(bytes, from + 80);
    const m = halfAt(bytes, from + 82);
    for (let i = 0; i < ELEMENTS; i++) {
      const part = bytes[from + (i >> 4)]!;
      out[to + i] = d * (part & 15) * twoBits(bytes, from + 16, i) - m * (part >> 4);
    }
  },
};

/** third bits [32], codes [64], scales [12], d: d·(s − 32)·(q − 4 without the third bit). */
export const Q3_K: BlockLayout = {
  elements: ELEMENTS,
  bytes: 110,
  dtype: "f32",
  decode(bytes, from, out, to) {
    const d = halfAt(bytes, from + 108);
    for (let i = 0; i < ELEMENTS; i++) {
      const part = i >> 4;
      const low = (bytes[from + 96 + (part & 7)]! >> (part < 8 ? 0 : 4)) & 15;
      const high = (bytes[from + 104 + (part & 3)]! >> (2 * (part >> 2))) & 3;
      const third = (bytes[from + (i & 31)]! >> (i >> 5)) & 1;
      const q = twoBits(bytes, from + 32, i) - (third === 1 ? 0 : 4);
      out[to + i] = d * ((low | (high << 4)) - 32) * q;
    }
  },
};

/** d, m, scales and minima [12], (fifth bits [32],) codes [128]: d·s·q − m·n, in parts of 32. */
function fourBits(fifth: boolean): BlockLayout {
  const low = fifth ? 48 : 16;
  return {
    elements: ELEMENTS,
    bytes: low + 128,
    dtype: "f32",
    decode(bytes, from, out, to) {
      const d = halfAt(bytes, from);
      const m = halfAt(bytes, from + 2);
      for (let part = 0; part < 8; part++) {
        const scale = d * sixBits(bytes, from + 4, part, 0);
        const minimum = m * sixBits(bytes, from + 4, part, 4);
        for (let i = 0; i < 32; i++) {
          const nibble = (bytes[from + low + 32 * (part >> 1) + i]! >> (4 * (part & 1))) & 15;
          const bit = fifth ? (bytes[from + 16 + i]! >> part) & 1 : 0;
          out[to + 32 * part + i] = scale * (nibble + 16 * bit) - minimum;
        }
      }
    },
  };
}

export const Q4_K: BlockLayout = fourBits(false);
export const Q5_K: BlockLayout = fourBits(true);

/** low bits [128], high bits [64], scales [16] of 8 bits, d: d·s·(q − 32). */
export const Q6_K: BlockLayout = {
  elements: ELEMENTS,
  bytes: 210,
  dtype: "f32",
  decode(bytes, from, out, to) {
    const d = halfAt(bytes, from + 208);
    for (let i = 0; i < ELEMENTS; i++) {
      const half = i >> 7;
      const low = (bytes[from + 64 * half + (i & 63)]! >> ((i & 64) === 0 ? 0 : 4)) & 15;
      const scale = (bytes[from + 192 + (i >> 4)]! << 24) >> 24;
      out[to + i] = d * scale * ((low | (twoBits(bytes, from + 128, i) << 4)) - 32);
    }
  },
};

/** Code i of 256 in two rows of 32 bytes: element i of a row is bits 2·⌊i/32⌋ of byte i mod 32. */
function twoBits(bytes: Uint8Array, from: number, i: number): number {
  return (bytes[from + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
}

/** Scale (`first` 0) or minimum (4) of a part: six bits of a byte; the last four parts take the upper two from elsewhere. */
function sixBits(bytes: Uint8Array, from: number, part: number, first: 0 | 4): number {
  const byte = bytes[from + first + (part & 3)]!;
  if (part < 4) return byte & 63;
  return ((bytes[from + 8 + (part & 3)]! >> first) & 15) | ((byte >> 6) << 4);
}
