import { move } from "../calibrate/sampler.js";
import { relativeDistance } from "./distance.js";
import type { Predictor } from "./predictor.js";
import { groupsOf, type Sitting, stepsOf } from "./sitting.js";
import type { Trajectories } from "./trajectories.js";

/** How far a model is from the reference: means over all samples. */
export interface Followed {
  /** [steps] ‖v̂ − v‖ / ‖v‖ of the velocities at the reference's own latents. */
  readonly velocityErrors: readonly number[];
  /** [steps] ‖x̂ − x‖ / ‖x‖ of the latents after each step, each model on its own way from the same noise. */
  readonly latentDistances: readonly number[];
  /** Of each sample: what the model ends with. */
  readonly latents: readonly Float32Array[];
}

/** Lets a model predict along the reference's trajectories, and draw from the same noise by itself. */
export async function follow(
  predictor: Predictor,
  sitting: Sitting,
  reference: Trajectories,
  onStep: () => void,
): Promise<Followed> {
  const steps = stepsOf(sitting);
  const share = 1 / sitting.samples.length;
  const velocityErrors = new Array<number>(steps).fill(0);
  const latentDistances = new Array<number>(steps).fill(0);
  const ends: Float32Array[] = [];
  for (const group of groupsOf(sitting, predictor.batch)) {
    const predict = await predictor.begin(
      sitting,
      group.map(([, sample]) => sample),
    );
    const ways = await Promise.all(group.map(([sample]) => reference(sample)));
    const own = ways.map(({ latents: [noise = new Float32Array()] }) => noise.slice());
    for (let step = 0; step < steps; step++) {
      const beside = await predict(
        step,
        ways.map(({ latents }) => latents[step] ?? new Float32Array()),
      );
      // All begin with the same noise.
      const alone = step === 0 ? beside : await predict(step, own);
      for (const [i, { latents, velocities }] of ways.entries()) {
        const x = own[i] ?? new Float32Array();
        const empty = new Float32Array();
        velocityErrors[step]! += share * relativeDistance(beside[i] ?? empty, velocities[step] ?? empty);
        move(x, alone[i] ?? empty, sitting.schedule, step);
        latentDistances[step]! += share * relativeDistance(x, latents[step + 1] ?? empty);
        onStep();
      }
    }
    ends.push(...own);
  }
  return { velocityErrors, latentDistances, latents: ends };
}
