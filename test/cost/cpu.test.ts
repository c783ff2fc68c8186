/** What the cost model chooses for processors, of which nobody knows how many threads they will have. */
import { describe, expect, it } from "vitest";
import { cpuSpeed } from "../../targets/cpu/speed.js";
import { type DeviceKind, deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { bestOf, candidatesOf } from "../../templates/choice/choose.js";
import { costOf } from "../../templates/choice/consider.js";
import { TEMPLATES } from "../../templates/families.js";
import type { FamilyParams } from "../../templates/index.js";

type Dense = FamilyParams["dense-gemm"];

const [relaxed] = deviceKinds(targetByName("cpu"));
const device: DeviceKind = relaxed ?? expect.fail();
const dense = TEMPLATES["dense-gemm"].wat;
const linear = (n: number, k: number): Dense => ({ activation: "none", bias: true, gated: false, n, k });

function problemOf(params: Dense, rows: number) {
  return { family: "dense-gemm", params, rows: [rows], device };
}

/** What is chosen for a linear, and what there is to choose from. */
function chosen(params: Dense, rows: number) {
  const problem = problemOf(params, rows);
  const fitting = candidatesOf(problem, dense).filter(({ rejected }) => rejected === null);
  const best = bestOf(fitting) ?? expect.fail();
  return { problem, fitting, config: best.config };
}

/** The chosen config's time over the least that any takes, on so many threads. */
function overBest(params: Dense, rows: number, threads: number): number {
  const { problem, fitting, config } = chosen(params, rows);
  const on = { ...problem, device: { ...device, speed: cpuSpeed(threads) } };
  const seconds = (of: typeof config) => costOf(on, dense, of)?.seconds ?? Number.NaN;
  return seconds(config) / Math.min(...fitting.map((candidate) => seconds(candidate.config)));
}

describe("launches of few rows", () => {
  it.each([
    [256, 64, 16],
    [256, 256, 28],
    [768, 256, 28],
    [768, 768, 12],
  ])("%i x %i of %i rows are not divided into more tiles than threads gain by", (n, k, rows) => {
    expect(chosen(linear(n, k), rows).config.tileN).toBeGreaterThanOrEqual(32);
  });

  it("take longer in more chunks where there is next to nothing to do", () => {
    const problem = problemOf(linear(256, 4), 4);
    const [first] = dense.configs(problem);
    const seconds = (tileN: number) =>
      costOf(problem, dense, { ...(first ?? expect.fail()), tileN })?.seconds ?? Number.NaN;
    expect(first?.tileN).toBe(64);
    expect(seconds(8) / seconds(64)).toBeGreaterThan(1.1);
    expect(chosen(linear(256, 4), 4).config).toEqual(first);
  });
});

describe("a choice", () => {
  // More threads than the model thinks of would like smaller tiles.
  it.each([
    [1, 1.35],
    [2, 1.35],
    [4, 1.35],
    [8, 1.35],
    [16, 1.6],
  ])("is good for %i threads: within %f times of the best", (threads, most) => {
    for (const [n, k] of [
      [256, 64],
      [768, 256],
      [3072, 3072],
    ] as const) {
      for (const rows of [16, 28, 77, 512, 4096]) {
        expect(overBest(linear(n, k), rows, threads), `${n} x ${k} of ${rows} rows`).toBeLessThan(most);
      }
    }
  });
});
