/** The nearest blocks of values: how near, and what becomes of values at the ends. */
import { describe, expect, it } from "vitest";
import { encodeBlocks, type RoundedFormat } from "../../ir/constant/blocks/encode.js";
import { BLOCK_LAYOUTS, blockElements } from "../../ir/constant/blocks/index.js";
import { halfAt } from "../../ir/constant/blocks/layout.js";
import { randomFloats } from "../support/random.js";

function decoded(format: RoundedFormat, bytes: Uint8Array): Float32Array {
  const { elements, bytes: size } = BLOCK_LAYOUTS[format];
  return blockElements(format, 0, (bytes.length / size) * elements, (from, to) => bytes.subarray(from, to));
}

const through = (format: RoundedFormat, values: Float32Array) =>
  decoded(format, encodeBlocks(format, values));

function errorOf(found: ArrayLike<number>, wanted: Float32Array): number {
  const squares = wanted.map((w, i) => (found[i]! - w) ** 2).reduce((a, b) => a + b, 0);
  return Math.sqrt(squares / wanted.reduce((a, b) => a + b * b, 0));
}

/** Nearly normal, 64 blocks. */
const [a, b, c] = [1, 2, 3].map((seed) => randomFloats(seed, 2048)) as [
  Float32Array,
  Float32Array,
  Float32Array,
];
const values = a.map((v, i) => 0.02 * (v + b[i]! + c[i]!));

describe("Q8_0", () => {
  it("is within half a step of each value, and no code overflows", () => {
    const bytes = encodeBlocks("Q8_0", values);
    const found = decoded("Q8_0", bytes);
    for (const [i, v] of values.entries()) {
      const step = halfAt(bytes, Math.floor(i / 32) * 34);
      expect(Math.abs(found[i]! - v)).toBeLessThanOrEqual(step * 0.5001);
    }
    expect(errorOf(found, values)).toBeLessThan(0.007);
  });

  it("keeps what it holds already", () => {
    const once = encodeBlocks("Q8_0", values);
    expect(through("Q8_0", decoded("Q8_0", once))).toEqual(decoded("Q8_0", once));
  });
});

describe("Q4_0", () => {
  it("is no further from the values than with the scale of the largest alone", () => {
    const plain = values.map((v, i) => {
      const block = values.subarray(i - (i % 32), i - (i % 32) + 32);
      const extreme = block.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
      const scale = extreme / -8;
      return scale * Math.min(7, Math.max(-8, Math.round(v / scale)));
    });
    const error = errorOf(through("Q4_0", values), values);
    expect(error).toBeLessThan(errorOf(plain, values) * 0.995);
    expect(error).toBeLessThan(0.09);
  });
});

describe.each(["Q8_0", "Q4_0"] as const)("%s", (format) => {
  it("holds zeros, one value alone, and the smallest and largest ones", () => {
    const block = new Float32Array(32);
    expect(through(format, block).map(Math.abs)).toEqual(block);
    block[7] = -0.75;
    expect(through(format, block)[7]).toBeCloseTo(-0.75, 3);
    // Scales that are subnormal as halves, and below all of them.
    for (const size of [1e-5, 1e-7, 1e-9]) {
      const small = values.map((v) => v * size);
      const found = through(format, small);
      const step = Math.max(2 ** -24, (0.06 * size) / 7);
      for (const [i, v] of small.entries()) expect(Math.abs(found[i]! - v)).toBeLessThan(9 * step);
    }
    const large = through(
      format,
      Float32Array.from({ length: 32 }, (_, i) => (i - 16) * 1e30),
    );
    expect(large.every(Number.isFinite)).toBe(true);
    expect(Math.sign(large[0]!)).toBe(-1);
  });
});
