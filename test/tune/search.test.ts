/** What is noted of candidates on a machine whose runs take now longer, now shorter. */
import { expect, it } from "vitest";
import { search } from "../../compiler/tune/search.js";
import type { Prepared, SearchContext } from "../../compiler/tune/search-context.js";
import { median } from "../../compiler/tune/statistics.js";
import type { Variant } from "../../compiler/tune/variants.js";
import { type Measurement, Records } from "../../compiler/tuning/records.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { uniform } from "../support/random.js";

const variantOf = (config: KernelConfig): Variant => ({
  config,
  kernel: {} as never,
  tile: [1, 1, 1],
  code: { source: JSON.stringify(config), binary: null } as never,
});

it("candidates that are as fast as what is there are noted so, however many are tried", async () => {
  const random = uniform(7);
  // Loaded all the time, with the right results; a run takes 0.7 to 1.3 times as long as the last one.
  const process = {
    until: 0,
    has: () => true,
    results: async () => "right",
    time: async () => [0.7 + 0.6 * random()],
    free: async () => undefined,
  };
  const candidates = Array.from({ length: 100 }, (_, i) => ({ variant: "tile", rows: i + 1 }));
  const present = variantOf({ variant: "tile", rows: 0 });
  const counted = { rows: 16, count: 1 };
  const setting = {
    counted,
    launches: 1,
    sets: 1,
    results: "right",
    seconds: 1,
    loading: 0,
    reloading: 0,
    drift: 1,
  };
  const kernel = { id: "k", family: "dense-gemm", params: {} };
  const prepared = {
    ...{ subject: { kernel, present: present.config, device: { name: "any" }, candidates }, present },
    ...{ making: 0, settings: [setting], seconds: 1 },
  } as unknown as Prepared;
  const noted: Measurement[] = [];
  const context = {
    ...{ process, device: "this one", records: new Records() },
    variant: async (_: unknown, config: KernelConfig) => variantOf(config),
    note: async (measured: Measurement) => void noted.push(measured),
    onCandidate: () => undefined,
  } as unknown as SearchContext;
  const end = performance.now() + 60_000;
  const { tried } = await search(prepared, { deadline: end, end }, context);
  expect(tried).toBe(candidates.length);
  const seconds = noted.slice(0, candidates.length).map((measured) => measured.seconds ?? 0);
  expect(median(seconds)).toBeGreaterThan(0.9);
  expect(median(seconds)).toBeLessThan(1.1);
  expect(Math.min(...seconds)).toBeGreaterThan(0.5);
});
