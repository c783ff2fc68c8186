import { requireFinite } from "../../runtime/not-finite.js";
import type { Schedule } from "../../runtime/scheduler.js";
import { guidedVelocities } from "./guided.js";
import type { Query, Transformer } from "./transformer.js";

/** A sample before its first step: `latents` is its noise. */
export type Start = Omit<Query, "timesteps">;

export interface SampleOptions {
  /** Whether what linear layers read counts in their moments, by (Δσ)². */
  readonly counts?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the steps done. */
  readonly onStep?: ((steps: number) => void) | undefined;
}

/** Draws several samples at once by Euler's method, x' = x + (σ[i+1] − σ[i])·v(x, σ[i]); gives their final latents. */
export async function drawTogether(
  transformer: Transformer,
  starts: readonly Start[],
  schedule: Schedule,
  { counts = false, signal, onStep }: SampleOptions = {},
): Promise<readonly Float32Array[]> {
  const latents = starts.map((start) => start.latents.slice());
  const weights = weightsOf(schedule);
  for (const [step, timestep] of schedule.modelTimesteps.entries()) {
    signal?.throwIfAborted();
    const timesteps = Float32Array.of(timestep);
    const velocities = await guidedVelocities(
      transformer,
      starts.map((start, i) => ({ ...start, latents: latents[i] ?? start.latents, timesteps })),
      counts ? weights[step] : 0,
    );
    for (const [i, x] of latents.entries()) move(x, velocities[i] ?? new Float32Array(), schedule, step);
    onStep?.(step + 1);
  }
  for (const x of latents) {
    requireFinite(x, {
      place: "the full-precision model",
      what: "what it draws",
      remedy:
        "check that the model's weights are complete: `tritc run` of a bundle with full weights draws the same",
    });
  }
  return latents;
}

/** A step of Euler's method, in the latents' place. */
export function move(latents: Float32Array, velocity: Float32Array, schedule: Schedule, step: number): void {
  const delta = deltaOf(schedule, step);
  for (let j = 0; j < latents.length; j++)
    latents[j] = (latents[j] ?? 0) + Math.fround(delta * (velocity[j] ?? Number.NaN));
}

/** What a row counts in the moments of each step: (Δσ)². */
export function weightsOf(schedule: Schedule): Float32Array {
  return schedule.modelTimesteps.map((_, step) => deltaOf(schedule, step) ** 2);
}

function deltaOf({ sigmas }: Schedule, step: number): number {
  return Math.fround((sigmas[step + 1] ?? 0) - (sigmas[step] ?? 0));
}
