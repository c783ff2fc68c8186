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
    const code = Math.round(values[from + i]! * inverse);
    out[to + 2 + i] = Math.min(127, Math.max(-127, code));
  }
}

/**
 * Q4_0, codes −8 to 7: the value of the largest magnitude gets −8; then the scale that fits these codes best, if the squared
 * error is smaller with it.
 */
function encodeNibbles(values: Float32Array, from: number, out: Uint8Array, to: number): void {
  let extreme = 0;
  for (let i = from; i < from + ELEMENTS; i++)
    if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
  const first = boundedHalf(extreme / -8);
  const second = boundedHalf(fitted(values, from, halfValue(first)));
  const better = errorOf(values, from, halfValue(second)) < errorOf(values, from, halfValue(first));
  const bits = better ? second : first;
  const scale = halfValue(bits);
  putHalf(out, to, bits);
  for (let i = 0; i < ELEMENTS / 2; i++) {
    const low = nibble(values[from + i]!, scale) + 8;
    const high = nibble(values[from + i + ELEMENTS / 2]!, scale) + 8;
    out[to + 2 + i] = low | (high << 4);
  }
}

function nibble(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.min(7, Math.max(-8, Math.round(value / scale)));
}

/** Least squares: Σ x·q / Σ q² for the codes q that a scale gives. */
function fitted(values: Float32Array, from: number, scale: number): number {
  let [products, squares] = [0, 0];
  for (let i = from; i < from + ELEMENTS; i++) {
    const code = nibble(values[i]!, scale);
    products += values[i]! * code;
    squares += code * code;
  }
  return squares === 0 ? scale : products / squares;
}

function errorOf(values: Float32Array, from: number, scale: number): number {
  let sum = 0;
  for (let i = from; i < from + ELEMENTS; i++) sum += (values[i]! - scale * nibble(values[i]!, scale)) ** 2;
  return sum;
}

function boundedHalf(value: number): number {
  const most = halfValue(LARGEST_HALF);
  return halfBits(Math.min(most, Math.max(-most, value)));
}

function putHalf(out: Uint8Array, at: number, bits: number): void {
  out[at] = bits & 0xff;
  out[at + 1] = bits >> 8;
}
