/** Calibration folders that are read: nothing is taken for a sample that is none. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { guidanceOf, seedOf } from "../../compiler/calibrate/draws.js";
import {
  type CalibrationDescription,
  describeCalibration,
  printDescription,
} from "../../compiler/calibration/description.js";
import { openCalibration } from "../../compiler/calibration/folder.js";
import {
  type CalibrationSample,
  encodePart,
  partFile,
  partsOf,
  samplesOf,
} from "../../compiler/calibration/parts.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { ModelDescription } from "../../ir/models/index.js";
import { makeNoise } from "../../runtime/noise.js";

const root = mkdtempSync(join(tmpdir(), "tritc-calibration-"));
afterAll(() => rmSync(root, { recursive: true }));

const MODEL: ModelDescription = {
  ...{ family: "flux1", doubleBlocks: 1, singleBlocks: 1, hidden: 8, heads: 1, headDim: 8, mlpWidth: 32 },
  ...{ inChannels: 4, outChannels: 4, contextDim: 3, pooledDim: 2, guidance: true, timestepScale: 1 },
  ...{
    guidanceScale: 1,
    ropeAxes: [2, 2, 4],
    ropeTheta: 1e4,
    roles: {},
    parameters: 1,
    blockLinearWeights: 1,
  },
};
const describing = (more: Partial<CalibrationDescription> = {}): CalibrationDescription =>
  describeCalibration({
    ...{ source: "0".repeat(64), model: MODEL, prompts: ["a", "b"], samples: 5, batch: 2, steps: 3 },
    ...{
      guidance: 3.5,
      guidanceVaries: false,
      width: 32,
      height: 16,
      imageTokens: 2,
      textTokens: 3,
      seed: 0,
    },
    shard: { index: 1, count: 1 },
    ...more,
  });

const sampleOf = (k: number): CalibrationSample => ({
  latents: makeNoise(k, 8),
  context: makeNoise(k, 9, 1),
  pooled: makeNoise(k, 2, 2),
  guidance: k + 0.5,
});

let folders = 0;
function write(
  description: CalibrationDescription,
  sample: (k: number) => CalibrationSample = sampleOf,
): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  writeFileSync(join(folder, "calibration.json"), printDescription(description));
  for (const part of partsOf(description)) {
    const samples = samplesOf(description, part).map(sample);
    writeFileSync(join(folder, partFile(part)), encodePart(description, samples));
  }
  return folder;
}

describe("openCalibration", () => {
  it("reads samples in any order as they were written", async () => {
    const { count, read } = await openCalibration(write(describing()));
    expect(count).toBe(5);
    for (const k of [4, 0, 3, 1, 2]) expect(await read(k)).toEqual({ ...sampleOf(k), prompt: "ab"[k % 2] });
    await expect(read(5)).rejects.toThrow(RangeError);
  });

  it("counts the samples of a shard, which keep their prompts", async () => {
    const { count, read } = await openCalibration(write(describing({ shard: { index: 2, count: 2 } })));
    expect(count).toBe(2);
    expect(await read(1)).toEqual({ ...sampleOf(3), prompt: "b" });
  });

  it.each<[string, (part: string, folder: string) => void, string]>([
    ["a part that is cut off", (part) => truncateSync(part, 200), "TRITC_E_SAFETENSORS"],
    ["a part that is no file of tensors", (part) => writeFileSync(part, "no"), "TRITC_E_SAFETENSORS"],
    [
      "a part of other samples",
      (part) => writeFileSync(part, encodePart(describing({ textTokens: 4 }), [sampleOf(2), sampleOf(3)])),
      "TRITC_E_CALIBRATION",
    ],
    ["a part with a tensor less", (part) => writeFileSync(part, serialize(new Map())), "TRITC_E_CALIBRATION"],
    ["a missing part", (part) => rmSync(part), "TRITC_E_CALIBRATION"],
    [
      "a description of another version",
      (_, folder) => writeFileSync(join(folder, "calibration.json"), `{"format": "tritc-calibration/9"}`),
      "TRITC_E_CALIBRATION",
    ],
    [
      "a description of no samples",
      (_, folder) =>
        writeFileSync(join(folder, "calibration.json"), printDescription(describing({ batch: 0 }))),
      "TRITC_E_CALIBRATION",
    ],
    ["no description", (_, folder) => rmSync(join(folder, "calibration.json")), "TRITC_E_CALIBRATION"],
  ])("refuses %s", async (_, damage, code) => {
    const folder = write(describing());
    damage(join(folder, partFile(1)), folder);
    await expect(openCalibration(folder)).rejects.toMatchObject({ code });
  });

  it("refuses a sample that holds what is no number, and no other", async () => {
    const folder = write(describing(), (k) => {
      const sample = sampleOf(k);
      if (k === 3) sample.latents[5] = Number.NaN;
      return sample;
    });
    const { read } = await openCalibration(folder);
    expect(await read(2)).toEqual({ ...sampleOf(2), prompt: "a" });
    await expect(read(3)).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", found: "NaN in sample 1 of the part" },
    });
  });
});

describe("what is drawn at random", () => {
  it("is noise of a seed of its own for each sample", () => {
    expect(seedOf(describing({ seed: 2 ** 53 - 1 }), 3)).toBe(2n ** 53n + 2n);
  });

  it("is guidance from 1.5 to 5 in three of ten samples", () => {
    const varied = describing({ guidanceVaries: true });
    const scales = Array.from({ length: 2000 }, (_, k) => guidanceOf(varied, k));
    const others = scales.filter((scale) => scale !== 3.5);
    expect(others.length / scales.length).toBeCloseTo(0.3, 1);
    expect(Math.min(...others)).toBeGreaterThanOrEqual(1.5);
    expect(Math.max(...others)).toBeLessThan(5);
    expect(others.reduce((sum, scale) => sum + scale, 0) / others.length).toBeCloseTo(3.25, 0);
    expect(guidanceOf(describing(), 7)).toBe(3.5);
    expect(guidanceOf(describing({ guidance: null, guidanceVaries: true }), 7)).toBe(0);
  });
});
