import { describe, expect, it } from "vitest";
import { decodeHalf, encodeHalf } from "../../ir/constant/float16.js";

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
