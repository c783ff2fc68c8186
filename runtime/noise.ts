import { checkWhole } from "../ir/bounds.js";
/**
 * Seeded normal noise, the same bits on every engine and platform.
 *
 * Uniform bits come from the counter-based generator Philox4x32-10 (Salmon et al., "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC11), so a value depends on (seed, stream, index) only and not on how many
 * were drawn before it. Normals come from the Box-Muller transform. `Math.log`, `Math.sin` and `Math.cos`
 * may differ in the last bits between engines, so the three are computed here from + - * / and
 * `Math.sqrt`, which IEEE 754 fixes and engines compile to the square-root instruction.
 */
import { TritcError } from "../ir/errors.js";
import { DEFAULT_LATENTS, type LatentGeometry, type LatentLayout } from "../ir/models/index.js";

/** 8 GiB: the noise of a picture takes 256 MiB at most. */
const MAX_NOISE = 2 ** 31;

/** Four 32-bit words, each in [0, 2^32). */
export type Words4 = readonly [number, number, number, number];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Each partial product is below 2^32 and each sum below 2^34: exact in a double.
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = (middle % 0x10000) + aLow * bHigh;
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
}

/** One Philox4x32-10 block: 128 random bits for a counter under a 64-bit key. */
export function philox4x32(counter: Words4, key0: number, key1: number): Words4 {
  let [c0, c1, c2, c3] = counter;
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

const LN2 = Math.LN2;
const SQRT_HALF = Math.SQRT1_2;

/** Natural logarithm on (0, 1] from IEEE-exact operations; relative error below 1e-15. */
export function exactLog(x: number): number {
  let mantissa = x;
  let exponent = 0;
  while (mantissa < SQRT_HALF) {
    mantissa *= 2;
    exponent--;
  }
  // ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.172: the series reaches 1e-17 at s^21.
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * s2 + 1 / k;
  return 2 * s * sum + exponent * LN2;
}

/** [cos, sin] of 2*pi*u for u in [0, 1) from IEEE-exact operations; error below 1e-15. */
export function exactTurn(u: number): readonly [number, number] {
  // 2*pi*u = quadrant * pi/2 + angle, |angle| <= pi/4; 4u and the subtraction are exact.
  const quarters = u * 4;
  const quadrant = Math.floor(quarters + 0.5);
  const angle = (quarters - quadrant) * (Math.PI / 2);
  const a2 = angle * angle;
  let cos = 1;
  let sin = 1;
  for (let k = 18; k >= 2; k -= 2) {
    cos = 1 - (a2 / (k * (k - 1))) * cos;
    sin = 1 - (a2 / (k * (k + 1))) * sin;
  }
  sin *= angle;
  switch (quadrant % 4) {
    case 0:
      return [cos, sin];
    case 1:
      return [-sin, cos];
    case 2:
      return [-cos, -sin];
    default:
      return [sin, -cos];
  }
}

/**
 * Standard normal noise.
 *
 * @param seed a whole number in [0, 2^64): beyond 2^53 as a bigint
 * @param count how many values
 * @param stream selects an independent sequence under one seed (image of a batch), in [0, 2^32)
 * @returns [count] float32 values; a shorter request is a prefix of a longer one
 */
export function makeNoise(seed: number | bigint, count: number, stream = 0): Float32Array {
  const [key0, key1] = seedWords(seed);
  checkWhole("count", count, 0, MAX_NOISE);
  return normals(count, (block) =>
    philox4x32([block >>> 0, Math.floor(block / 2 ** 32), stream >>> 0, 0], key0, key1),
  );
}

/** Standard normal numbers, four from the random words of each block. */
export function normals(count: number, wordsOf: (block: number) => Words4): Float32Array {
  const noise = new Float32Array(count);
  for (let block = 0; block * 4 < count; block++) {
    const words = wordsOf(block);
    for (let pair = 0; pair < 2; pair++) {
      const radius = Math.sqrt(-2 * exactLog(uniform(words[pair * 2] ?? 0)));
      const [cos, sin] = exactTurn(uniform(words[pair * 2 + 1] ?? 0));
      // Writes past the end of a typed array are ignored.
      noise[block * 4 + pair * 2] = radius * cos;
      noise[block * 4 + pair * 2 + 1] = radius * sin;
    }
  }
  return noise;
}

/** A random word as a number strictly inside (0, 1): its logarithm is finite. */
export function uniform(word: number): number {
  return (word + 0.5) / 2 ** 32;
}

/** The low and high 32 bits of a seed. Throws TRITC_E_SEED. */
export function seedWords(seed: number | bigint): readonly [number, number] {
  const valid =
    typeof seed === "bigint" ? seed >= 0n && seed < 1n << 64n : Number.isSafeInteger(seed) && seed >= 0;
  if (!valid) {
    throw new TritcError({
      code: "TRITC_E_SEED",
      message: "the seed is not a whole number of at most 64 bits",
      expected: "a whole number from 0 to 2^53-1, or a bigint below 2^64",
      found: String(seed),
      remedy: "pass a non-negative whole number as the seed",
    });
  }
  const wide = BigInt(seed);
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)];
}

/** A picture's latents at a noise level: sigma·noise + (1 − sigma)·image. */
export function noised(image: Float32Array, noise: Float32Array, sigma: number): Float32Array {
  return image.map((value, k) => sigma * (noise[k] ?? 0) + (1 - sigma) * value);
}

/** Initial packed latents [imageTokens, packedChannels]: noise drawn in the VAE's order, then packed. */
export function initialLatents(
  seed: number | bigint,
  geometry: LatentGeometry,
  stream = 0,
  layout: LatentLayout = DEFAULT_LATENTS,
): Float32Array {
  return layout.pack(makeNoise(seed, geometry.imageTokens * geometry.packedChannels, stream), geometry);
}
