/** Conversions between numbers and the 16-bit floats, rounding to nearest even. */

const scratch = new DataView(new ArrayBuffer(8));

let halfTable: Float32Array | undefined;

/** Every half value by its bits: 256 KB, made at first use. */
function halves(): Float32Array {
  if (halfTable !== undefined) return halfTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let magnitude: number;
    if (exponent === 0) magnitude = fraction * 2 ** -24;
    else if (exponent === 31) magnitude = fraction === 0 ? Infinity : NaN;
    else magnitude = (1024 + fraction) * 2 ** (exponent - 25);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  halfTable = table;
  return table;
}

/** The value of half-precision bits. */
export function halfValue(bits: number): number {
  return halves()[bits]!;
}

/** Values of half-precision bits, in `out`. */
export function decodeHalf(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  const table = halves();
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
  return out;
}

/** Values of bfloat16 bits, in `out`. */
export function decodeBfloat(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  // A bfloat16 is the upper half of a float32.
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return out;
}

/** 2^(i - 128), which is cheaper to look up; all that values below 2^128 need. */
const POWERS = Float64Array.from({ length: 320 }, (_, i) => 2 ** (i - 128));

/** The value rounded to a float of `fractionBits` with smallest normal 2^minExponent; finite overflow gives ±Infinity. */
function roundTo(v: number, fractionBits: number, minExponent: number, overflow: number): number {
  if (v === 0 || !Number.isFinite(v)) return v;
  if (Math.abs(v) >= overflow) return v < 0 ? -Infinity : Infinity;
  scratch.setFloat64(0, v);
  const exponent = Math.max(((scratch.getUint32(0) >>> 20) & 2047) - 1023, minExponent);
  // Adding 1.5·2^52 quanta leaves no bits below one quantum; the addition itself rounds to nearest even.
  const magic = 1.5 * POWERS[128 + 52 + exponent - fractionBits]!;
  const rounded = v + magic - magic;
  if (Math.abs(rounded) >= overflow) return v < 0 ? -Infinity : Infinity;
  return rounded === 0 && v < 0 ? -0 : rounded;
}

/** The nearest half-precision value. */
export function roundToHalf(v: number): number {
  return roundTo(v, 10, -14, 65536);
}

/** The nearest bfloat16 value. */
export function roundToBfloat(v: number): number {
  return roundTo(v, 7, -126, 2 ** 128);
}

/** Bits of the nearest half-precision value. */
export function halfBits(v: number): number {
  if (Number.isNaN(v)) return 0x7e00;
  const r = roundToHalf(v);
  const sign = r < 0 || Object.is(r, -0) ? 0x8000 : 0;
  const a = Math.abs(r);
  if (a === Infinity) return sign | 0x7c00;
  if (a < 2 ** -14) return sign | (a * 2 ** 24);
  const exponent = Math.floor(Math.log2(a));
  return sign | ((exponent + 15) << 10) | (a * 2 ** (10 - exponent) - 1024);
}

/** Bits of the nearest bfloat16 value. */
export function bfloatBits(v: number): number {
  if (Number.isNaN(v)) return 0x7fc0;
  scratch.setFloat32(0, roundToBfloat(v));
  return scratch.getUint16(0);
}

/** Numbers as the bits of their nearest f16. */
export function encodeHalf(values: ArrayLike<number>): Uint16Array {
  return values instanceof Float32Array ? floatsToHalf(values) : Uint16Array.from(values, halfBits);
}

/** Numbers as the bits of their nearest bf16. */
export function encodeBfloat(values: ArrayLike<number>): Uint16Array {
  return values instanceof Float32Array ? floatsToBfloat(values) : Uint16Array.from(values, bfloatBits);
}

const INFINITE = 0x7f800000;

/** Half of the last place is added, less one bit where the last bit is 0; the carry goes on into the exponent. */
function floatsToHalf(values: Float32Array): Uint16Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    const sign = (words[i]! >>> 16) & 0x8000;
    if (magnitude > INFINITE) out[i] = 0x7e00;
    // Above 65504 and half of what follows.
    else if (magnitude >= 0x477ff000) out[i] = sign | 0x7c00;
    // From 2^-14 on, where 112 more are in the exponents of f32.
    else if (magnitude >= 0x38800000)
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    else out[i] = sign | halfBits(Math.abs(values[i]!));
  }
  return out;
}

function floatsToBfloat(values: Float32Array): Uint16Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const word = words[i]!;
    out[i] = (word & 0x7fffffff) > INFINITE ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}
