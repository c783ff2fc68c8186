import { describe, expect, it } from "vitest";
import { median, spreadOf, uncertaintyOf } from "../../compiler/tune/statistics.js";
import {
  type Finding,
  type Measurement,
  measuredBy,
  parseRecords,
  printRecords,
  problemKey,
  Records,
} from "../../compiler/tuning/records.js";
import { FAMILIES } from "../../ir/families/index.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu, targetByName } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";

const params = { n: 96, k: 64, bias: true, activation: "none", gated: false } as const;
const kernel = problemKey({ family: "dense-gemm", params: FAMILIES["dense-gemm"].record(params) });
const config = { variant: "float", tileN: 32, tileM: 64, rows: 2, unroll: 8, columnsOutside: true };
const place = { device: "this", deviceKind: "relaxed-simd", kernel } as const;
const measured: Measurement = {
  kind: "measured",
  ...place,
  rows: 12,
  config,
  code: "c0",
  outcome: "right",
  seconds: 0.25,
  spread: 0.01,
};
const finding: Finding = {
  kind: "chosen",
  ...place,
  rows: [12],
  code: "c0",
  config,
  before: 0.5,
  after: 0.25,
  spread: 0.01,
  tried: 3,
  candidates: 9,
};

describe("records", () => {
  it("come back as they were written", () => {
    expect(parseRecords(printRecords([measured, finding]), "f")).toEqual([measured, finding]);
  });

  it("do without a last line that is torn, wherever it is", () => {
    const text = printRecords([measured, finding]);
    for (let end = printRecords([measured]).length; end < text.length - 1; end++)
      expect(parseRecords(text.slice(0, end), "f")).toEqual([measured]);
  });

  it.each([
    ["no end of the last line", (text: string) => text.trimEnd()],
    [
      "a mark of byte order and other ends of lines",
      (text: string) => `\uFEFF${text.replaceAll("\n", "\r\n")}`,
    ],
    ["empty lines", (text: string) => `\n${text}\n\n`],
  ])("come back with %s", (_, edited) => {
    expect(parseRecords(edited(printRecords([measured, finding])), "f")).toEqual([measured, finding]);
  });

  it.each(["\0\0\0", "a table,of numbers", '{"a": 1}'])(
    "are not in %j, which has no end of a line",
    (text) => {
      expect(() => parseRecords(text, "f")).toThrow(/f:1/);
    },
  );

  it.each([
    ["no JSON", "{\n", /f:1/],
    ["a line of somebody else", '{"kind":"other"}\n', /f:1: kind is not(.|\n)*measured or chosen/],
    ["an outcome that nobody has", `${JSON.stringify({ ...measured, outcome: "fine" })}\n`, /right or wrong/],
    ["a time below zero", `${JSON.stringify({ ...measured, seconds: -1 })}\n`, /seconds(.|\n)*not negative/],
    ["a gain below zero", `${JSON.stringify({ ...finding, after: -1 })}\n`, /after(.|\n)*not negative/],
    ["a time that is no number", printRecords([measured]).replace("0.25", "NaN"), /f:1/],
    ["a member too many", `${JSON.stringify({ ...measured, more: 1 })}\n`, /more/],
  ])("refuse %s, and say in which line", (_, text, message) => {
    expect(() => parseRecords(text, "f")).toThrow(message);
  });

  it("count as the last that was said of the same", () => {
    const records = new Records([measured, { ...measured, seconds: 0.125 }, finding]);
    expect(records.all).toEqual([{ ...measured, seconds: 0.125 }, finding]);
    expect(records.measurement(measured)?.seconds).toBe(0.125);
    expect(records.measurement({ ...measured, code: "other" })).toBeUndefined();
    expect(records.finding({ ...finding, rows: [13] })).toBeUndefined();
  });
});

describe("measuredBy", () => {
  it("gives a kernel the config that was found best, and others that share its grid the same tile", () => {
    const { kernel: made } = defineKernel("dense-gemm", params, cpu, [12], measuredBy([finding]));
    expect(made.config).toEqual(config);
    const ternary = { ...params, activations: "i8" } as const;
    const best = { variant: "int8-relaxed", tileN: 16, tileM: 64, rows: 6 };
    const chosen = defineKernel("ternary-gemm", ternary, cpu, [12], (problem) =>
      problem.device.name === deviceKinds(cpu)[0]?.name ? best : undefined,
    );
    expect(chosen.kernel.config).toEqual(best);
    expect(chosen.fallback?.kernel.config.variant).toBe("int8");
    expect(chosen.fallback?.tile).toEqual([16, 64, 1]);
  });

  it.each([
    ["a variant that no kernel has", { ...config, variant: "gone" }],
    ["the name of what every object has", { variant: "constructor", constructor: 1 }],
    ["numbers that no kernel has", { ...config, tileN: 1e9, tileM: -3 }],
    ["a number too many", { ...config, gone: 4 }],
    ["none of the numbers", { variant: "float" }],
  ])("counts for nothing where it says %s, as of another version", (_, strange) => {
    for (const target of ["cpu", "webgpu", "h100"].map(targetByName)) {
      for (const activations of ["i8", "f32"] as const) {
        const ternary = { ...params, activations } as const;
        const plain = defineKernel("ternary-gemm", ternary, target, [12]);
        expect(defineKernel("ternary-gemm", ternary, target, [12], () => strange)).toEqual(plain);
      }
    }
  });

  it("takes the finding of the nearest number of rows, and none that is too far off or of another kind of device", () => {
    const other: Finding = { ...finding, rows: [4], config: { ...config, rows: 6 } };
    const problem = {
      family: "dense-gemm",
      params,
      device: deviceKinds(cpu)[0] ?? expect.fail(),
      rows: [12],
    };
    expect(measuredBy([finding, other])?.(problem)).toEqual(config);
    expect(measuredBy([other])?.(problem)).toEqual(other.config);
    // 4 is three times fewer than 12, 40 more than three times as many.
    const far: Finding = { ...finding, rows: [40], config: { ...config, rows: 1 } };
    expect(measuredBy([other, far])?.(problem)).toEqual(other.config);
    expect(measuredBy([far, other])?.(problem)).toEqual(other.config);
    expect(measuredBy([other, far], 3)?.(problem)).toEqual(other.config);
    expect(measuredBy([far], 3)?.(problem)).toBeUndefined();
    expect(measuredBy([{ ...finding, deviceKind: "sm_80" }])?.(problem)).toBeUndefined();
    expect(measuredBy([measured])).toBeUndefined();
  });
});

describe("statistics", () => {
  it("are those of the sorted values", () => {
    expect(median([9, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 9])).toBe(3);
    expect(spreadOf([1, 2, 3, 4, 5])).toBeCloseTo((4 - 2) / (2 * 3));
    expect(spreadOf([7])).toBe(0);
    expect(uncertaintyOf([1, 2, 3, 4, 5])).toBeCloseTo(((1.253 / 0.6745) * (1 / 3)) / Math.sqrt(5));
  });
});
