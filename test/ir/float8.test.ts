import { expect, it } from "vitest";
import type { Constant } from "../../ir/constant/constant.js";
import { decodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import { decodeWords, readWords, wordType } from "../../ir/constant/words.js";

const ALL = Uint8Array.from({ length: 256 }, (_, bits) => bits);

it("e4m3 has no infinities and one NaN of each sign", () => {
  const values = decodeBytes("f8e4m3", ALL, 256) as Float32Array;
  expect(values[0x00]).toBe(0);
  expect(values[0x80]).toBe(-0);
  expect([0x01, 0x07, 0x08, 0x38, 0x39, 0x40, 0x7e, 0xfe].map((bits) => values[bits])).toEqual([
    2 ** -9,
    7 * 2 ** -9,
    2 ** -6,
    1,
    1.125,
    2,
    448,
    -448,
  ]);
  expect([...ALL].filter((bits) => Number.isNaN(values[bits]))).toEqual([0x7f, 0xff]);
  expect(values.every((v) => Math.abs(v) !== Infinity)).toBe(true);
});

it("e5m2 is the upper half of a half", () => {
  const values = decodeBytes("f8e5m2", ALL, 256) as Float32Array;
  expect([0x01, 0x04, 0x3c, 0x3d, 0x7b, 0x7c, 0xfc, 0xc0].map((bits) => values[bits])).toEqual([
    2 ** -16,
    2 ** -14,
    1,
    1.25,
    57344,
    Infinity,
    -Infinity,
    -2,
  ]);
  expect([...ALL].filter((bits) => Number.isNaN(values[bits]))).toEqual([0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff]);
});

it.each(["f8e4m3", "f8e5m2"] as const)("%s constants are read as halves, transposed too", (dtype) => {
  const finite = ALL.map((bits) => bits & 0xbb);
  const stored: Constant = { dtype, shape: [32, 8], source: { kind: "inline", bytes: finite } };
  const wide: Constant = { dtype: "f32", shape: [32, 8], source: { kind: "cast", of: stored } };
  const turned: Constant = { dtype: "f32", shape: [8, 32], source: { kind: "transpose", of: wide } };
  const reader = { read: () => new Uint8Array() };
  const values = decodeBytes(dtype, finite, 256) as Float32Array;
  const expected = Float32Array.from(
    values,
    (_, i) => values[(i % 32) * 8 + Math.floor(i / 32)] ?? Number.NaN,
  );
  expect(new Set(values).size).toBeGreaterThan(60);
  for (const [constant, wanted] of [
    [wide, values],
    [turned, expected],
  ] as const) {
    expect(wordType(constant)).toBe("f16");
    expect(readConstant(constant, reader).data).toEqual(wanted);
    expect(decodeWords("f16", readWords(constant, 0, 256, reader))).toEqual(wanted);
    expect(decodeWords("f16", readWords(constant, 40, 100, reader))).toEqual(wanted.slice(40, 100));
  }
});
