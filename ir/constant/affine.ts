import type { DType } from "../dtype.js";
import type { Constant, ConstantSource } from "./constant.js";
import type { NumberData } from "./convert.js";
import { roundToBfloat, roundToHalf } from "./float16.js";

type Affine = Extract<ConstantSource, { readonly kind: "affine" }>;

/** Codes of more bits have more levels than a group has elements. */
const MOST_TABLE_BITS = 5;

/** scale·code + bias, rounded after each step to the type of the scales, as MLX computes it. */
export function affineElements(
  { shape, dtype }: Constant,
  { codes, bits, scales, biases }: Affine,
  from: number,
  to: number,
  read: (of: Constant, from: number, to: number) => NumberData,
): Float32Array {
  const [, groups = 1] = scales.shape;
  const size = (shape[1] ?? 1) / groups;
  const round = ROUNDING[dtype] ?? Math.fround;
  const first = Math.floor(from / size);
  const last = Math.ceil(to / size);
  const scale = read(scales, first, last);
  const bias = read(biases, first, last);
  const start = Math.floor((from * bits) / 8);
  const bytes = read(codes, start, Math.ceil((to * bits) / 8));
  const mask = (1 << bits) - 1;
  const codeAt = (i: number) => {
    const bit = i * bits - 8 * start;
    const at = bit >>> 3;
    return ((bytes[at]! | ((bytes[at + 1] ?? 0) << 8)) >> (bit & 7)) & mask;
  };
  const out = new Float32Array(to - from);
  const levels = new Float32Array(bits <= MOST_TABLE_BITS ? mask + 1 : 0);
  for (let group = first; group < last; group++) {
    const s = scale[group - first]!;
    const b = bias[group - first]!;
    // Exact, as most groups of ternary weights are; a zero scale has zeros of either sign.
    const isTernary = b === -s && s !== 0 && Math.abs(s) < 2 ** 14;
    for (let code = 0; code < levels.length; code++)
      levels[code] = isTernary && code < 3 ? s * code + b : round(round(s * code) + b);
    const end = Math.min(to, (group + 1) * size);
    let i = Math.max(from, group * size);
    if (bytes instanceof Uint8Array && bits === 2 && i % 4 === 0) {
      const whole = end - ((end - i) % 4);
      unpackTwoBits(bytes, i / 4 - start, levels, out.subarray(i - from, whole - from));
      i = whole;
    }
    for (; i < end; i++) {
      const code = codeAt(i);
      out[i - from] = code < levels.length ? levels[code]! : round(round(s * code) + b);
    }
  }
  return out;
}

/** Levels of codes that are whole bytes from byte `at` on. */
function unpackTwoBits(bytes: Uint8Array, at: number, levels: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i += 4) {
    const byte = bytes[at++]!;
    out[i] = levels[byte & 3]!;
    out[i + 1] = levels[(byte >> 2) & 3]!;
    out[i + 2] = levels[(byte >> 4) & 3]!;
    out[i + 3] = levels[byte >> 6]!;
  }
}

const ROUNDING: Readonly<Partial<Record<DType, (v: number) => number>>> = {
  f16: roundToHalf,
  bf16: roundToBfloat,
};
