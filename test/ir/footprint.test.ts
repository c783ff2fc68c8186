import { describe, expect, it } from "vitest";
import { axesOf, type LaunchNumbers } from "../../ir/families/contract/axes.js";
import { sizeOf } from "../../ir/families/contract/sizes.js";
import { contractOf } from "../../ir/families/index.js";
import type { Kernel } from "../../ir/program/program.js";
import { extentOf } from "../../ir/program/region.js";
import { TARGETS } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";

const extents = (kernel: Kernel, launch: LaunchNumbers) =>
  contractOf(kernel)?.args.map((arg, i) => extentOf(axesOf(arg, i, launch)));

describe.each(TARGETS)("footprints on $name", (target) => {
  it("of quantize-rows cover every part of a row", () => {
    const { kernel } = defineKernel("quantize-rows", { c: 40, parts: [8, 32] }, target);
    const quantize = { ...kernel, id: "quantize", fallback: null };
    // x0, x1, q, rowScale, rowSum: two strides and a last row of 8, 32, 48 (40 padded to 16), 1 and 1.
    const launch = { rows: 3, scalars: [], rowStrides: [10, 100, 48, 1, 2] };
    expect(extents(quantize, launch)).toEqual([28, 232, 144, 3, 5]);
    expect(contractOf(quantize)?.grid.map((size) => sizeOf(size, launch))).toEqual([1, 3, 1]);
  });

  it.each([
    ["trits", {}, 7 * 6],
    ["2-bit codes", { storage: "2bit" }, 7 * 7],
  ] as const)("of unpack-trits cover %s in rows of whole bytes", (_, storage, bytes) => {
    const params = { n: 7, k: 26, activations: "i8", ...storage } as const;
    const unpack = { ...defineKernel("unpack-trits", params, target).kernel, id: "unpack", fallback: null };
    expect(extents(unpack, { rows: 7, scalars: [], rowStrides: [0, 0] })?.[0]).toBe(bytes);
    const broken = { ...unpack, params: { ...params, storage: "3bit" } };
    expect(() => contractOf(broken)).toThrow(/the parameter storage is not what its family needs/);
  });

  it("of quantize-rows need parts that are sizes", () => {
    const { kernel } = defineKernel("quantize-rows", { c: 40, parts: [8, 32] }, target);
    const broken = { ...kernel, id: "quantize", fallback: null, params: { c: 40, parts: [8, "x"] } };
    expect(() => contractOf(broken)).toThrow(/the parameter parts is not what its family needs/);
  });
});
