import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { move } from "../calibrate/sampler.js";
import type { Predictor } from "./predictor.js";
import { groupsOf, noiseOf, type Sitting, stepsOf } from "./sitting.js";

/** How a sample goes from noise to picture. */
export interface Trajectory {
  /** [steps + 1] before each step and after the last. */
  readonly latents: readonly Float32Array[];
  /** [steps] what was predicted at each. */
  readonly velocities: readonly Float32Array[];
}

/** The trajectory of a sample, by its number. */
export type Trajectories = (sample: number) => Promise<Trajectory>;

/** Draws all samples along Euler's steps. Their trajectories lie in files of the folder. */
export async function drawTrajectories(
  predictor: Predictor,
  sitting: Sitting,
  folder: string,
  onStep: () => void,
): Promise<Trajectories> {
  const steps = stepsOf(sitting);
  const fileOf = (sample: number) => join(folder, `${sample}.trajectory`);
  for (const group of groupsOf(sitting, predictor.batch)) {
    const predict = await predictor.begin(
      sitting,
      group.map(([, sample]) => sample),
    );
    const ways = group.map(([, sample]) => ({
      latents: [noiseOf(sitting, sample)],
      velocities: [] as Float32Array[],
    }));
    for (let step = 0; step < steps; step++) {
      const found = await predict(
        step,
        ways.map(({ latents }) => latents[step] ?? new Float32Array()),
      );
      for (const [i, { latents, velocities }] of ways.entries()) {
        const [velocity = new Float32Array(), next = new Float32Array()] = [found[i], latents[step]?.slice()];
        move(next, velocity, sitting.schedule, step);
        velocities.push(velocity);
        latents.push(next);
        onStep();
      }
    }
    for (const [i, [sample]] of group.entries()) {
      const { latents = [], velocities = [] } = ways[i] ?? {};
      await writeFile(
        fileOf(sample),
        [...latents, ...velocities].map(
          ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
        ),
      );
    }
  }
  return async (sample) => {
    const { buffer, byteOffset, byteLength } = await readFile(fileOf(sample));
    const values = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    const size = values.length / (2 * steps + 1);
    const all = Array.from({ length: 2 * steps + 1 }, (_, i) => values.subarray(i * size, (i + 1) * size));
    return { latents: all.slice(0, steps + 1), velocities: all.slice(steps + 1) };
  };
}
