import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { exactLog, exactTurn, makeNoise, philox4x32, type Words4 } from "../../runtime/noise.js";

const hex = (words: readonly number[]): string =>
  words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

describe("philox4x32", () => {
  // Known answers of the Random123 distribution, philox4x32-10.
  const cases: readonly (readonly [Words4, number, number, string])[] = [
    [[0, 0, 0, 0], 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      0xffffffff,
      0xffffffff,
      "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      0xa4093822,
      0x299f31d0,
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ];
  it.each(cases)("answers counter %j", (counter, key0, key1, expected) => {
    expect(hex(philox4x32(counter, key0, key1))).toBe(expected);
  });
});

describe("the functions made of exact operations", () => {
  it("agree with Math.log", () => {
    for (let i = 1; i <= 4000; i++) {
      const x = i % 2 === 0 ? i / 4000 : (i + 0.5) / 2 ** 32;
      expect(Math.abs(exactLog(x) - Math.log(x))).toBeLessThanOrEqual(1e-15 * Math.max(0.5, -Math.log(x)));
    }
    expect(exactLog(1)).toBe(0);
  });

  it("agree with Math.cos and Math.sin", () => {
    for (let i = 0; i < 4001; i++) {
      const u = i / 4001;
      const [cos, sin] = exactTurn(u);
      expect(Math.abs(cos - Math.cos(2 * Math.PI * u))).toBeLessThan(2e-15);
      expect(Math.abs(sin - Math.sin(2 * Math.PI * u))).toBeLessThan(2e-15);
    }
  });
});

describe("makeNoise", () => {
  it("never changes: pictures of a seed stay reproducible", () => {
    const noise = makeNoise(42, 1027, 3);
    expect(noise.length).toBe(1027);
    const bytes = new DataView(new ArrayBuffer(noise.length * 4));
    for (const [i, value] of noise.entries()) bytes.setFloat32(i * 4, value, true);
    const digest = createHash("sha256").update(new Uint8Array(bytes.buffer)).digest("hex");
    expect(digest).toMatchInlineSnapshot(
      `"ffc307db3593d81b27aaa58d0a54141ab5bc60c37f004982b52aab8ae78130af"`,
    );
    expect([...noise.slice(0, 4)]).toMatchInlineSnapshot(`
      [
        -2.3877787590026855,
        0.8490601778030396,
        -0.6570045351982117,
        -0.4657707214355469,
      ]
    `);
  });

  it("is standard normal", () => {
    const n = 200_000;
    const noise = makeNoise(7, n);
    const moment = (k: number): number => noise.reduce((sum, z) => sum + z ** k, 0) / n;
    // Five standard errors of each sample moment.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
    const beyond = noise.filter((z) => Math.abs(z) > 1.959964).length / n;
    expect(Math.abs(beyond - 0.05)).toBeLessThan(5 * Math.sqrt((0.05 * 0.95) / n));
    let neighbours = 0;
    for (let i = 1; i < n; i++) neighbours += (noise[i] ?? 0) * (noise[i - 1] ?? 0);
    expect(Math.abs(neighbours / n)).toBeLessThan(5 / Math.sqrt(n));
  });

  it("extends a shorter request, whatever the length", () => {
    const long = makeNoise(9, 64);
    for (const count of [0, 1, 2, 3, 4, 5, 63]) expect(makeNoise(9, count)).toEqual(long.slice(0, count));
  });

  it("differs by seed and stream, and takes 64-bit seeds", () => {
    const all = [
      makeNoise(1, 8),
      makeNoise(2, 8),
      makeNoise(1, 8, 1),
      makeNoise(2n ** 64n - 1n, 8),
      makeNoise(2n ** 32n + 1n, 8),
    ];
    expect(new Set(all.map((noise) => noise.join())).size).toBe(all.length);
    expect(makeNoise(5n, 8)).toEqual(makeNoise(5, 8));
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, -1n, 2n ** 64n])("refuses the seed %s", (seed) => {
    expect(() => makeNoise(seed, 4)).toThrow(TritcError);
  });
});
