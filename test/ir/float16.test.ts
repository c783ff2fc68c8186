import { describe, expect, it } from "vitest";
import {
  bfloatBits,
  decodeHalf,
  encodeBfloat,
  encodeHalf,
  halfBits,
  roundToBfloat,
  roundToHalf,
} from "../../ir/constant/float16.js";
import { uniform } from "../support/random.js";

describe("float16 conversion", () => {
  const all = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
  const values = decodeHalf(all);

  it("reads the landmark values", () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00, 0x8000);
    expect([...decodeHalf(bits)]).toEqual([1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, -0]);
    expect(decodeHalf(Uint16Array.of(0x7e01))[0]).toBeNaN();
  });

  it("returns every finite pattern of both signs", () => {
    expect(encodeHalf(values)).toEqual(all);
    expect(encodeHalf(values.map((v) => -v))).toEqual(all.map((bits) => bits | 0x8000));
  });

  it("rounds to the nearest, ties to even", () => {
    for (let i = 0; i + 1 < values.length; i += 37) {
      const low = values[i] ?? 0;
      const high = values[i + 1] ?? 0;
      const even = i % 2 === 0 ? i : i + 1;
      const middle = (low + high) / 2;
      const between = Float32Array.of(low + (high - low) / 4, middle, high - (high - low) / 4);
      expect([...encodeHalf(between)]).toEqual([i, even, i + 1]);
    }
    expect([...encodeHalf(Float32Array.of(65519, 65520, -1e9, Number.NaN))]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0x7e00,
    ]);
  });
});

it.each([
  ["f16", roundToHalf, 65504, 65520],
  ["bf16", roundToBfloat, (2 - 2 ** -7) * 2 ** 127, (2 - 2 ** -8) * 2 ** 127],
] as const)(
  "%s: what is above the largest number, however large, is infinite",
  (_, round, largest, above) => {
    expect(round(largest)).toBe(largest);
    for (const v of [above, 2 ** 128, 2 ** 979, 1e300, Number.MAX_VALUE]) {
      expect(round(v), `${v}`).toBe(Infinity);
      expect(round(-v), `-${v}`).toBe(-Infinity);
    }
  },
);

it("bits of bfloat16 are those of the nearest, down to the smallest", () => {
  for (const [v, bits] of [
    [1, 0x3f80],
    [-3.140625, 0xc049],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [2 ** -133, 1],
    [2 ** -135, 0],
    [1e300, 0x7f80],
  ] as const) {
    expect(bfloatBits(v), `${v}`).toBe(bits);
  }
});

it("an array of f32 has the bits of its numbers one by one", () => {
  const next = uniform(1);
  // Every exponent and sign; a third have a tie in either type, a third are next to one.
  const ties = [0x1000, 0x8000].flatMap((tie) => [tie - 1, tie, tie + 1]);
  const words = Uint32Array.from({ length: 1 << 15 }, (_, i) => {
    const fraction = Math.floor(next() * 128) * 0x10000 + (ties[i % 6] ?? 0) + (i % 4 === 0 ? 0x2000 : 0);
    return ((i & 511) << 23) | (i % 5 === 0 ? Math.floor(next() * 2 ** 23) : fraction & 0x7fffff);
  });
  const values = new Float32Array(words.buffer);
  expect(encodeHalf(values)).toEqual(Uint16Array.from([...values], halfBits));
  expect(encodeBfloat(values)).toEqual(Uint16Array.from([...values], bfloatBits));
});
