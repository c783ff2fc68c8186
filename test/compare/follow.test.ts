/** Velocities and latents of models that are easily followed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { follow } from "../../compiler/compare/follow.js";
import type { Predictor } from "../../compiler/compare/predictor.js";
import { noiseOf, type Sample, type Sitting } from "../../compiler/compare/sitting.js";
import { drawTrajectories } from "../../compiler/compare/trajectories.js";
import { familyOf } from "../../ir/models/index.js";
import { makeSchedule } from "../../runtime/scheduler.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-follow-"));
afterAll(() => rmSync(folder, { recursive: true }));

const layout = familyOf({ family: "flux1" } as Parameters<typeof familyOf>[0]).latents;
const geometry = layout.geometry(32, 32, 16, 8);
const text = { pooled: new Float32Array(), pooledWidth: 0, context: new Float32Array() };
const samples = [0, 1, 2].map(
  (seed): Sample => ({ prompt: "p", seed, text: { ...text, contextTokens: 0, contextWidth: 0 } }),
);
const config = {
  ...{ numTrainTimesteps: 1000, shift: 3, useDynamicShifting: false },
  ...{ baseShift: 0.5, maxShift: 1.15, baseImageSeqLen: 256, maxImageSeqLen: 4096 },
};
const schedule = makeSchedule(config, { steps: 4, imageTokens: geometry.imageTokens });
const sitting: Sitting = { samples, geometry, layout, schedule, guidance: 0 };

/** Predicts so many times the noise it began with, whatever the latents are. */
function constant(factor: number, batch: number): Predictor {
  return {
    batch,
    begin: async (_, group) => {
      const noises = group.map((sample) => noiseOf(sitting, sample));
      return async () => noises.map((noise) => noise.map((value) => factor * value));
    },
    close: async () => undefined,
  };
}

describe("a model beside the reference", () => {
  const trajectories = drawTrajectories(constant(0.5, 2), sitting, folder, () => undefined);

  it("is where it should be at each step", async () => {
    let steps = 0;
    const found = await follow(constant(0.75, 3), sitting, await trajectories, () => steps++);
    expect(steps).toBe(samples.length * 4);
    for (const error of found.velocityErrors) expect(error).toBeCloseTo(0.5, 6);
    // x = (1 + factor·(σ − 1))·noise at σ.
    const at = (factor: number, step: number) => 1 + factor * ((schedule.sigmas[step + 1] ?? 0) - 1);
    const expected = [0, 1, 2, 3].map((step) => Math.abs(at(0.75, step) - at(0.5, step)) / at(0.5, step));
    for (const [step, distance] of found.latentDistances.entries())
      expect(distance).toBeCloseTo(expected[step] ?? Number.NaN, 6);
    for (const [i, latents] of found.latents.entries()) {
      const noise = noiseOf(sitting, samples[i] ?? { seed: 0, prompt: "", text: {} as Sample["text"] });
      expect(latents[7]).toBeCloseTo(0.25 * (noise[7] ?? Number.NaN), 5);
    }
  });

  it("is nowhere else where it is the reference", async () => {
    const found = await follow(constant(0.5, 1), sitting, await trajectories, () => undefined);
    expect(found.velocityErrors).toEqual([0, 0, 0, 0]);
    expect(found.latentDistances).toEqual([0, 0, 0, 0]);
    for (const [i, latents] of found.latents.entries())
      expect(latents).toEqual((await (await trajectories)(i)).latents.at(-1));
  });
});
