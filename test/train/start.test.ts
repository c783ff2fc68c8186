import { describe, expect, it } from "vitest";
import { intoCell } from "../../compiler/train/start.js";
import { fittedTernary, storedTernary } from "../../compiler/train/ternary-weight.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import type { DType } from "../../ir/dtype.js";

it("moves weights into the cells of their codes, off the edges and not onto one place", () => {
  const all = Array.from({ length: 601 }, (_, i) => (i - 300) / 100);
  for (const code of [-1, 0, 1]) {
    const moved = all.map((u) => intoCell(u, code));
    for (const u of moved) {
      expect(Math.max(-1, Math.min(1, Math.round(u)))).toBeCloseTo(code, 12);
      expect(Math.abs(Math.abs(u) - 0.5)).toBeGreaterThan(0.05 - 1e-9);
    }
    // What is beyond the edge is mirrored there: two weights at most come to one place near it.
    const atEdge = moved.filter((u) => Math.abs(Math.abs(u) - 0.5) < 0.051);
    expect(atEdge.length).toBeLessThan(6);
  }
  expect([intoCell(0.3, 0), intoCell(-0.7, 0), intoCell(0.7, 1), intoCell(-0.3, -1)]).toEqual([
    expect.closeTo(0.27, 9),
    expect.closeTo(-0.27, 9),
    expect.closeTo(0.73, 9),
    expect.closeTo(-0.73, 9),
  ]);
  expect(intoCell(1.4, 1)).toBe(1.4);
});

describe("a ternary weight in a file", () => {
  const NO_FILES = { read: () => new Uint8Array() };
  const stored = (dtype: DType, shape: readonly number[], numbers: readonly number[]): Constant => {
    const data = dtype === "f32" ? Float32Array.from(numbers) : Int8Array.from(numbers);
    return { dtype, shape, source: { kind: "inline", bytes: encodeBytes(dtype, data) } };
  };
  const dequantized = (codes: Constant, scale: Constant, axis: number): Constant => ({
    ...{ dtype: "f32", shape: codes.shape },
    source: { kind: "dequantize", codes, scale, zeroPoint: null, axis, blockSize: 0 },
  });
  const read = (found: ReturnType<typeof storedTernary>) =>
    found && [found.codes, found.scales].map((of) => [...readConstant(of, NO_FILES).data].map(Number));
  const scales = stored("f32", [2], [0.5, 0.25]);

  it("keeps the scale of a row whose codes are all 0", () => {
    const rows = dequantized(stored("i4", [2, 3], [1, 0, -1, 0, 0, 0]), scales, 0);
    expect(read(storedTernary(rows))).toEqual([
      [1, 0, -1, 0, 0, 0],
      [0.5, 0.25],
    ]);
    expect(read(fittedTernary(rows))).toEqual([
      [1, 0, -1, 0, 0, 0],
      [0.5, 0],
    ]);
  });

  it("may lie there turned, but with one scale a row", () => {
    const turned = (axis: number): Constant => ({
      ...{ dtype: "f32", shape: [2, 2] },
      source: { kind: "transpose", of: dequantized(stored("i8", [2, 2], [1, -1, 0, 0]), scales, axis) },
    });
    expect(read(storedTernary(turned(1)))).toEqual([
      [1, 0, -1, 0],
      [0.5, 0.25],
    ]);
    expect(storedTernary(turned(0))).toBeUndefined();
    expect(storedTernary(stored("f32", [1, 2], [0.5, 0]))).toBeUndefined();
  });
});
