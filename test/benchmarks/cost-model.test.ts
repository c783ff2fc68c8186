/** The cost model beside records: `npm run cost-model` on records that are made up, and on some of real machines. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { compareModel, rankCorrelation, shareWithin } from "../../benchmarks/cost-model/compare.js";
import { type Measurement, parseRecords, problemKey } from "../../compiler/tuning/records.js";
import { FAMILIES } from "../../ir/families/index.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { costsFor, defineKernel } from "../../templates/index.js";

const params = { n: 256, k: 512, activations: "i8", activation: "none", bias: true, gated: false } as const;
const kernel = problemKey({
  family: "ternary-gemm",
  params: FAMILIES["ternary-gemm"].record(params),
});
const rows = [64, 16];
const device = deviceKinds(cpu)[0]!;
const chosen = defineKernel("ternary-gemm", params, cpu, rows).kernel.config;
const costs = costsFor("ternary-gemm", params, { target: cpu, device, rows }).filter(
  ({ cost }) => cost !== null,
);

/** Records of a kernel, with so many times the seconds that the model says at each number of rows. */
function records(factor: (config: string) => number): readonly Measurement[] {
  return costs.flatMap(({ config, cost }) =>
    cost!.launches.map((launch) => ({
      kind: "measured" as const,
      device: "a machine",
      deviceKind: device.name,
      kernel,
      rows: launch.rows,
      config,
      code: "",
      outcome: "right" as const,
      seconds: launch.seconds * factor(keyOf(config)),
      spread: 0,
    })),
  );
}

describe("compareModel", () => {
  it("finds nothing to mend where measurements are what the model says", () => {
    const [comparison, ...others] = compareModel(records(() => 3));
    expect(others).toEqual([]);
    expect(comparison).toMatchObject({ kernel, rows, measured: costs.length });
    // Records are of one device, costs the mean of several.
    expect(comparison?.correlation).toBeGreaterThan(0.95);
    expect(comparison?.chosen.config).toEqual(chosen);
    expect(comparison?.chosen.ratio).toBeLessThan(1.06);
    expect(comparison?.estimate).toBeCloseTo(1 / 3, 10);
  });

  it("shows a choice that is slow, and one that the family would have made", () => {
    const slow = keyOf(chosen);
    const comparisons = compareModel(records((config) => (config === slow ? 2 : 1)));
    const { ratio } = comparisons[0]!.chosen;
    expect(ratio).toBeGreaterThan(1.9);
    expect(comparisons[0]!.correlation).toBeLessThan(1);
    expect(shareWithin(comparisons, "chosen", 1.5)).toBe(0);
    expect(shareWithin(comparisons, "chosen", 2.1)).toBe(1);
  });

  it("counts what is right and was measured at all rows alone", () => {
    const all = records(() => 1);
    const [best] = [...costs].sort((a, b) => a.cost!.seconds - b.cost!.seconds);
    const wrong = all.map((entry) =>
      entry.config === best!.config ? { ...entry, outcome: "wrong" as const, seconds: null } : entry,
    );
    expect(compareModel(wrong)[0]?.measured).toBe(costs.length - 1);
    const isChosen = ({ config }: Measurement) => keyOf(config) === keyOf(chosen);
    const [comparison] = compareModel(all.filter((entry) => !(isChosen(entry) && entry.rows === 16)));
    expect(comparison?.chosen).toMatchObject({ seconds: null, ratio: null });
    expect(shareWithin([comparison!], "chosen", 1.5)).toBeNull();
  });

  it("says nothing of a kernel with one config, or of devices that no target has", () => {
    expect(compareModel(records(() => 1).filter(({ config }) => config === costs[0]!.config))).toEqual([]);
    expect(compareModel(records(() => 1).map((entry) => ({ ...entry, deviceKind: "an abacus" })))).toEqual(
      [],
    );
  });
});

describe("rankCorrelation", () => {
  it("is Spearman's, by hand", () => {
    expect(
      rankCorrelation([
        [1, 10],
        [2, 20],
        [3, 25],
      ]),
    ).toBe(1);
    expect(
      rankCorrelation([
        [1, 3],
        [2, 2],
        [3, 1],
      ]),
    ).toBe(-1);
    // Ranks 0 1 2 3 and 1 0 2 3: 1 − 6·2 / (4·15).
    expect(
      rankCorrelation([
        [1, 5],
        [2, 4],
        [3, 6],
        [4, 7],
      ]),
    ).toBeCloseTo(0.8, 12);
    // Equal values share 0.5: pairs (0.5, 0), (0.5, 1), (2, 2).
    expect(
      rankCorrelation([
        [1, 1],
        [1, 2],
        [9, 3],
      ]),
    ).toBeCloseTo(1.5 / Math.sqrt(1.5 * 2), 12);
    expect(
      rankCorrelation([
        [1, 1],
        [1, 2],
        [1, 3],
      ]),
    ).toBeNull();
  });
});

describe("choices without measuring", () => {
  it.each(["cpu-flux", "webgpu-shapes", "webgpu-klein-shapes"])(
    "are within 1.5 times of the best for 80% of the kernels (%s)",
    (name) => {
      const file = new URL(`measured/${name}.jsonl.gz`, import.meta.url);
      const comparisons = compareModel(parseRecords(gunzipSync(readFileSync(file)).toString(), name));
      const known = comparisons.filter(({ chosen: { ratio } }) => ratio !== null);
      expect(known.length).toBeGreaterThanOrEqual(0.8 * comparisons.length);
      expect(shareWithin(known, "chosen", 1.5)).toBeGreaterThanOrEqual(0.8);
    },
  );
});
