/** Numbers for people: no exponents, no lost units, no `1 steps`. */
import { expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDifference,
  formatDuration,
  formatFactor,
  formatOperations,
  formatQuantity,
  formatShare,
} from "../../compiler/units.js";

it.each([
  [0, "0 B"],
  [1, "1 B"],
  [999, "999 B"],
  [1000, "1.000 kB"],
  [1234, "1.234 kB"],
  [999_949, "999.9 kB"],
  [999_950, "1.000 MB"],
  [999_999, "1.000 MB"],
  [1e6, "1.000 MB"],
  [123_456_789, "123.5 MB"],
  [2.52e9, "2.520 GB"],
  [1e12, "1.000 TB"],
  [1e15, "1.000 PB"],
  [2 ** 53, "9.007 PB"],
  [1e22, "10,000 EB"],
  [0.5, "0.5 B"],
  [-1500, "-1.500 kB"],
  [Number.NaN, "-"],
  [Number.POSITIVE_INFINITY, "-"],
])("%d bytes: %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1234567, "1,234,567"],
  [1e21, "1,000,000,000,000,000,000,000"],
  [1234.5, "1,234.5"],
  [-1234, "-1,234"],
])("count %d: %s", (count, text) => expect(formatCount(count)).toBe(text));

it.each([
  [0, "0 s"],
  [1e-9, "under 0.1 µs"],
  [8.5e-7, "0.850 µs"],
  [8.5e-4, "850 µs"],
  [0.000_999_9, "1.00 ms"],
  [0.0123, "12.3 ms"],
  [0.999_49, "999 ms"],
  [0.9996, "1.00 s"],
  [2.58, "2.58 s"],
  [9.996, "10.0 s"],
  [59.4, "59.4 s"],
  [59.6, "1 min 0 s"],
  [450, "7 min 30 s"],
  [3599.6, "1 h 0 min"],
  [7500, "2 h 5 min"],
  [3.6e7, "10,000 h 0 min"],
  [-2, "-2.00 s"],
  [Number.NaN, "-"],
  [Number.POSITIVE_INFINITY, "-"],
])("%d seconds: %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

it("durations never read as exponents or as nothing", () => {
  for (let power = -9; power < 9; power += 0.37) {
    const text = formatDuration(10 ** power);
    expect(text).not.toMatch(/e[+-]|^0(\.0*)? /);
  }
});

it.each([
  [9.441, 1, "9.44x"],
  [0.906, 1, "0.906x"],
  [1234, 1, "1,234x"],
  [1, 0, "-"],
  [0, 0, "-"],
  [0, 5, "-"],
])("%d over %d: %s", (of, by, text) => expect(formatFactor(of, by)).toBe(text));

it.each([
  [0, 0, "0%"],
  [0, 7, "0%"],
  [1, 1, "100.00%"],
  [1, 3, "33.33%"],
  [1, 1e9, "under 0.01%"],
])("%d of %d: %s", (part, whole, text) => expect(formatShare(part, whole)).toBe(text));

it("counts have the right noun, operations their prefix, equal results no difference", () => {
  expect([0, 1, 2, 1000].map((n) => formatQuantity(n, "step"))).toEqual([
    ...["0 steps", "1 step", "2 steps", "1,000 steps"],
  ]);
  expect(formatQuantity(2, "matrix", "matrices")).toBe("2 matrices");
  expect([0, 1, 999, 1000, 59.6e12, 1e21].map(formatOperations)).toEqual([
    ...["-", "1 OP", "999 OP", "1.000 kOP", "59.60 TOP", "1,000 EOP"],
  ]);
  expect([0, 3e-7, 0.25].map(formatDifference)).toEqual(["nothing", "3.0e-7", "2.5e-1"]);
});
