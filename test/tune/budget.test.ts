import { describe, expect, it } from "vitest";
import { enoughFor, partOf } from "../../compiler/tune/budget.js";
import { isClear } from "../../compiler/tune/finals.js";
import { extentOf } from "../../compiler/tune/settle.js";
import { median } from "../../compiler/tune/statistics.js";
import { ratiosOf, runInTurns } from "../../compiler/tune/turns.js";

/** The parts of all claims, one after the other, of which each takes what it gets. */
function partsOf(claims: Parameters<typeof partOf>[0], seconds: number): readonly (number | undefined)[] {
  let left = seconds;
  return claims.map((_, i) => {
    const part = partOf(claims.slice(i), left);
    left -= part ?? 0;
    return part;
  });
}

describe("partOf", () => {
  const claims = [
    { share: 6, least: 1 },
    { share: 3, least: 0.5 },
    { share: 1, least: 0.5 },
  ];

  it("gives each kernel what it needs and of the rest its share, and no more than there is", () => {
    const parts = partsOf(claims, 22);
    expect(parts[0]).toBeCloseTo(1 + 0.6 * 20);
    expect(parts[1]).toBeCloseTo(0.5 + 0.3 * 20);
    expect(parts[2]).toBeCloseTo(0.5 + 0.1 * 20);
  });

  it("skips what would take all of a short time, and leaves that to the others", () => {
    const slow = { share: 2, least: 30 };
    const parts = partsOf([slow, ...claims], 5);
    expect(parts[0]).toBeUndefined();
    for (const part of parts.slice(1, 3)) expect(part).toBeGreaterThan(0);
    expect(parts.reduce<number>((sum, part = 0) => sum + part, 0)).toBeLessThanOrEqual(5 + 1e-9);
  });

  it("skips nothing with as much as it says is enough", () => {
    const several = [{ share: 0.01, least: 40 }, ...claims, { share: 0, least: 2 }];
    for (const part of partsOf(several, enoughFor(several))) expect(part).toBeGreaterThan(0);
    expect(partsOf(several, enoughFor(several) / 4)).toContain(undefined);
  });
});

describe("extentOf", () => {
  const MB = 2 ** 20;
  const large = { between: 2000 * MB, cache: 0 };

  it("reads more weights than a cache holds, one MB of them as well as eight", () => {
    expect(extentOf({ once: 1e-4, weights: MB, ...large })).toEqual({ launches: 64, sets: 64 });
    expect(extentOf({ once: 1e-3, weights: 8 * MB, ...large })).toEqual({ launches: 10, sets: 8 });
    // A longer run than it would take to measure a launch.
    expect(extentOf({ once: 1e-3, weights: 2 * MB, ...large })).toEqual({ launches: 32, sets: 32 });
  });

  it("keeps in a cache what a real run has there", () => {
    const small = { between: 3 * MB, cache: 0 };
    expect(extentOf({ once: 1e-4, weights: MB, ...small }).sets).toBe(3);
    expect(extentOf({ once: 1e-4, weights: 0, ...small }).sets).toBe(1);
  });

  it("goes beyond the cache of a device that has a larger one", () => {
    const [weights, cache] = [4 * MB, 96 * MB];
    expect(extentOf({ once: 1e-4, weights, ...large, cache }).sets).toBe(36);
  });

  it("does not wait for weights that a launch reads slowly, nor for a launch that takes long", () => {
    expect(extentOf({ once: 4e-3, weights: MB, ...large })).toEqual({ launches: 3, sets: 3 });
    expect(extentOf({ once: 2, weights: 8 * MB, ...large })).toEqual({ launches: 1, sets: 1 });
  });
});

describe("runInTurns", () => {
  const configs = ["there", "faster"].map((variant) => ({ config: { variant } }));
  const setting = { counted: { rows: 16 }, seconds: 1, launches: 1 };

  it("finds the same ratio on a machine that becomes slower", async () => {
    let slowness = 1;
    const order: string[] = [];
    const process = {
      async time(key: string) {
        order.push(key);
        // Twice as long after every other run.
        slowness *= Math.SQRT2;
        return [slowness * (key.includes("faster") ? 0.8 : 1)];
      },
    };
    const rounds = 4;
    const [there = [], faster = []] = await runInTurns(
      process,
      setting,
      configs,
      ([own = []]) => own.length < rounds,
    );
    expect(there).toHaveLength(rounds);
    expect(median(ratiosOf(faster, there))).toBeGreaterThan(0.5);
    expect(median(ratiosOf(faster, there))).toBeCloseTo((0.8 * Math.SQRT2 + 0.8 / Math.SQRT2) / 2);
    // Nobody is always the second.
    expect(order.slice(0, 4)).toEqual(["16 there", "16 faster", "16 faster", "16 there"]);
  });
});

describe("isClear", () => {
  it("is so where the difference is many times its error, or there is none to speak of", () => {
    expect(isClear([0.7, 0.72, 0.69, 0.71, 0.7, 0.73, 0.68])).toBe(true);
    expect(isClear([0.999, 1.001, 1, 1.002, 0.998, 1, 1])).toBe(true);
    expect(isClear([0.9, 1.02, 0.95, 1.1, 0.97, 0.88, 1.03])).toBe(false);
  });
});
