import { halfBits, halfValue } from "../float16.js";
import type { BlockFormat } from "./formats.js";

/** Forms of blocks that any weight can be rounded to. */
export const ROUNDED_FORMATS = ["Q8_0", "Q4_0"] as const satisfies readonly BlockFormat[];
export type RoundedFormat = (typeof ROUNDED_FORMATS)[number];

/** Elements that share a scale. */
const ELEMENTS = 32;
const LARGEST_HALF = 0x7bff;

/** The nearest blocks of whole blocks of values, which are finite. */
export function encodeBlocks(format: RoundedFormat, values: Float32Array): Uint8Array<ArrayBuffer> {
  const [bytes, encode] = format === "Q8_0" ? [34, encodeBytes] : [18, encodeNibbles];
  const blocks = values.length / ELEMENTS;
  const out = new Uint8Array(blocks * bytes);
  for (let i = 0; i < blocks; i++) encode(values, i * ELEMENTS, out, i * bytes);
  return out;
}

/** Adding and taking it away again leaves a whole number, the nearest: there is no room for bits below. */
const WHOLE = 1.5 * 2 ** 52;

/** Q8_0: the scale is the least that no code exceeds 127 with. */
function encodeBytes(values: Float32Array, from: number, out: Uint8Array, to: number): void {
  let peak = 0;
  for (let i = from; i < from + ELEMENTS; i++) peak = Math.max(peak, Math.abs(values[i]!));
  let bits = halfBits(Math.min(peak / 127, halfValue(LARGEST_HALF)));
  if (bits < LARGEST_HALF && halfValue(bits) * 127 < peak) bits++;
  putHalf(out, to, bits);
  const scale = halfValue(bits);
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = 0; i < ELEMENTS; i++) {
    const code = values[from + i]! * inverse + WHOLE - WHOLE;
    out[to + 2 + i] = code > 127 ? 127 : code < -127 ? -127 : code;
  }
}

/** Codes of a block for one scale, and the sums that tell how well they fit. */
class Nibbles {
  readonly codes = new Int8Array(ELEMENTS);
  scale = 0;
  /** Σ x·q and Σ q². */
  products = 0;
  squares = 0;

  /** The nearest codes, −8 to 7. */
  fit(values: Float32Array, from: number, scale: number): void {
    const inverse = scale === 0 ? 0 : 1 / scale;
    let [products, squares] = [0, 0];
    for (let i = 0; i < ELEMENTS; i++) {
      const x = values[from + i]!;
      const nearest = x * inverse + WHOLE - WHOLE;
      const code = nearest > 7 ? 7 : nearest < -8 ? -8 : nearest;
      this.codes[i] = code;
      products += x * code;
      squares += code * code;
    }
    this.scale = scale;
    this.products = products;
    this.squares = squares;
  }

  /** Σ (x − scale·q)² without Σ x², which is the same for all scales. */
  get error(): number {
    return this.scale * (this.scale * this.squares - 2 * this.products);
  }
}

const [largest, refined] = [new Nibbles(), new Nibbles()];

/**
 * Q4_0, codes −8 to 7: the value of the largest magnitude gets −8; then the scale that fits these codes best, Σ x·q / Σ q², if
 * the squared error is smaller with it.
 */
function encodeNibbles(values: Float32Array, from: number, out: Uint8Array, to: number): void {
  let extreme = 0;
  for (let i = from; i < from + ELEMENTS; i++)
    if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
  const first = boundedHalf(extreme / -8);
  largest.fit(values, from, halfValue(first));
  const second = largest.squares === 0 ? first : boundedHalf(largest.products / largest.squares);
  if (second !== first) refined.fit(values, from, halfValue(second));
  const better = second !== first && refined.error < largest.error;
  const { codes } = better ? refined : largest;
  putHalf(out, to, better ? second : first);
  for (let i = 0; i < ELEMENTS / 2; i++)
    out[to + 2 + i] = (codes[i]! + 8) | ((codes[i + ELEMENTS / 2]! + 8) << 4);
}

function boundedHalf(value: number): number {
  const most = halfValue(LARGEST_HALF);
  return halfBits(Math.min(most, Math.max(-most, value)));
}

function putHalf(out: Uint8Array, at: number, bits: number): void {
  out[at] = bits & 0xff;
  out[at + 1] = bits >> 8;
}
