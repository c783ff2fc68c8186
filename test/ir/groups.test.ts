import { describe, expect, it } from "vitest";
import type { Constant } from "../../ir/constant/constant.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { GROUP_SIZES, groupRanges, groupSizeOf, groupsOf, scalesShape } from "../../ir/ternary/groups.js";
import { ternarizeGroups, ternarizeRow } from "../../ir/ternary/ternarize.js";
import { randomFloats } from "../support/random.js";

const NONE = {
  read(): Uint8Array {
    throw new Error("all constants are inline");
  },
};

describe("groups", () => {
  it("scales of a matrix tell its group size", () => {
    for (const k of [1, 31, 32, 33, 64, 65, 100, 127, 128, 129, 200, 256, 257, 300, 3072, 15360]) {
      for (const group of [null, ...GROUP_SIZES]) {
        const shape = scalesShape([7, k], group);
        const isRow = group === null || group >= k;
        expect(shape).toEqual(isRow ? [7] : [7, Math.ceil(k / group)]);
        expect(groupSizeOf(k, shape)).toBe(isRow ? null : group);
      }
    }
    expect(groupSizeOf(100, [7, 3])).toBe(undefined);
    expect(groupSizeOf(100, [7, 1])).toBe(undefined);
    expect(groupSizeOf(20, [7, 2])).toBe(undefined);
  });

  it("cover a row, the last one shorter", () => {
    expect([...groupRanges(100, 32)]).toEqual([
      [0, 32],
      [32, 64],
      [64, 96],
      [96, 100],
    ]);
    expect([...groupRanges(100, null)]).toEqual([[0, 100]]);
    expect([...groupRanges(0, 32)]).toEqual([]);
  });

  it.each(["exact", "absmean"] as const)("are ternarized each by itself: %s", (method) => {
    const row = randomFloats(5, 300);
    const [codes, scales] = [new Int8Array(300), new Float32Array(groupsOf(300, 128))];
    ternarizeGroups(row, method, 128, codes, scales);
    for (const [i, start] of [0, 128, 256].entries()) {
      const part = row.slice(start, start + 128);
      const wanted = new Int8Array(part.length);
      expect(scales[i]).toBe(ternarizeRow(part, method, wanted));
      expect(codes.slice(start, start + 128)).toEqual(wanted);
    }
  });

  it("codes and scales of a recipe are those of its groups, whatever rows are read", () => {
    const [rows, k] = [5, 70];
    const values = randomFloats(6, rows * k);
    const of: Constant = {
      dtype: "f32",
      shape: [rows, k],
      source: { kind: "inline", bytes: new Uint8Array(values.buffer) },
    };
    const fitting = { of, method: "exact", group: 32 } as const;
    const codes: Constant = {
      dtype: "i8",
      shape: [rows, k],
      source: { kind: "ternary-codes", ...fitting },
    };
    const scales: Constant = {
      dtype: "f32",
      shape: [rows, 3],
      source: { kind: "ternary-scales", ...fitting },
    };
    const [wantedCodes, wantedScales] = [new Int8Array(rows * k), new Float32Array(rows * 3)];
    for (let r = 0; r < rows; r++) {
      const line = wantedCodes.subarray(r * k, (r + 1) * k);
      ternarizeGroups(
        values.subarray(r * k, (r + 1) * k),
        "exact",
        32,
        line,
        wantedScales.subarray(3 * r, 3 * r + 3),
      );
    }
    expect(readConstant(codes, NONE).data).toEqual(wantedCodes);
    expect(readConstant(scales, NONE).data).toEqual(wantedScales);
    expect(readRows(codes, 2, 4, NONE).data).toEqual(wantedCodes.subarray(2 * k, 4 * k));
    expect(readRows(scales, 2, 4, NONE).data).toEqual(wantedScales.subarray(6, 12));
  });
});
