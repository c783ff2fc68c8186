import { describe, expect, it } from "vitest";
import { footprintOf } from "../../ir/program/footprint.js";
import { TARGETS } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";

describe.each(TARGETS)("footprints on $name", (target) => {
  it("of quantize-rows cover every part of a row", () => {
    const { kernel } = defineKernel("quantize-rows", { c: 40, parts: [8, 32] }, target);
    const { extents, grid } = footprintOf({ ...kernel, id: "quantize", fallback: null });
    // x0, x1, q, rowScale, rowSum: two strides and a last row of 8, 32, 48 (40 padded to 16), 1 and 1.
    const launch = { rows: 3, scalars: [], rowStrides: [10, 100, 48, 1, 2] };
    expect(extents.map((extent) => extent(launch))).toEqual([28, 232, 144, 3, 5]);
    expect(grid?.map((size) => size(launch))).toEqual([1, 3, 1]);
  });

  it.each([
    ["trits", {}, 7 * 6],
    ["2-bit codes", { storage: "2bit" }, 7 * 7],
  ] as const)("of unpack-trits cover %s in rows of whole bytes", (_, storage, bytes) => {
    const params = { n: 7, k: 26, activations: "i8", ...storage } as const;
    const { kernel } = defineKernel("unpack-trits", params, target);
    const { extents } = footprintOf({ ...kernel, id: "unpack", fallback: null });
    expect(extents[0]?.({ rows: 7, scalars: [], rowStrides: [0, 0] })).toBe(bytes);
    const broken = { ...kernel, id: "unpack", fallback: null, params: { ...params, storage: "3bit" } };
    expect(footprintOf(broken).extents[0]?.({ rows: 7, scalars: [], rowStrides: [0, 0] })).toBeNaN();
  });

  it("of quantize-rows need parts that are sizes", () => {
    const { kernel } = defineKernel("quantize-rows", { c: 40, parts: [8, 32] }, target);
    const broken = { ...kernel, id: "quantize", fallback: null, params: { c: 40, parts: "[8,x]" } };
    expect(() => footprintOf(broken)).toThrow(/the parameter parts is not what its family needs/);
  });
});
