import { checkWhole, MAX_STEPS } from "../ir/bounds.js";
import { TritcError } from "../ir/errors.js";
import { familyOf, type ModelDescription } from "../ir/models/index.js";
import type { SchedulerConfig } from "../ir/sampling/scheduler-config.js";

export interface ScheduleRequest {
  /** Number of denoising steps, N >= 1. */
  readonly steps: number;
  /** Packed image tokens, (height/16)(width/16). */
  readonly imageTokens: number;
  /** The model that is sampled: families may shift in a way of their own. */
  readonly model?: ModelDescription | undefined;
}

export interface Schedule {
  /** [N+1] noise levels, from 1 down; the last one is 0. Step i is `x += (sigma[i+1] - sigma[i]) * v`. */
  readonly sigmas: Float32Array;
  /** [N] the scheduler's timesteps, `numTrainTimesteps * sigma[i]`. */
  readonly timesteps: Float32Array;
  /** [N] what the transformer's `timestep` input gets: timestep / 1000 (the graph multiplies by 1000). */
  readonly modelTimesteps: Float32Array;
}

/**
 * The sigmas of rectified-flow Euler sampling.
 *
 * `s = linspace(1, 1/N, N)`, shifted by `shift / (shift + (1/s - 1))`, then 0. The shift is the
 * config's own, or `exp(mu)` with mu linear in the number of image tokens (the timestep shifting of
 * "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", section 5.3.2), or the family's.
 * Computed in double precision and rounded once.
 */
export function makeSchedule(config: SchedulerConfig, request: ScheduleRequest): Schedule {
  const { steps, imageTokens, model } = request;
  requirePositiveInteger("steps", steps);
  checkWhole("steps", steps, 1, MAX_STEPS);
  requirePositiveInteger("imageTokens", imageTokens);
  const rules = model === undefined ? undefined : familyOf(model).sampling;
  const mu = rules?.dynamicShift?.(imageTokens, steps) ?? dynamicShift(config, imageTokens);
  const shift = config.useDynamicShifting ? Math.exp(mu) : config.shift;
  const sigmas = new Float32Array(steps + 1);
  const timesteps = new Float32Array(steps);
  const modelTimesteps = new Float32Array(steps);
  const last = 1 / steps;
  for (let i = 0; i < steps; i++) {
    const s = steps === 1 ? 1 : 1 + ((last - 1) * i) / (steps - 1);
    const sigma = shift / (shift + (1 / s - 1));
    sigmas[i] = sigma;
    timesteps[i] = sigma * config.numTrainTimesteps;
    modelTimesteps[i] = (sigma * config.numTrainTimesteps) / 1000;
  }
  return { sigmas, timesteps, modelTimesteps };
}

/**
 * The steps of image to image: those of a schedule from where so much of the picture is left to draw. Of N steps the last
 * N − trunc(N − N·strength) are done, as `FluxImg2ImgPipeline` counts them.
 *
 * @param strength above 0, at most 1, which is all of it
 */
export function lastSteps({ sigmas, timesteps, modelTimesteps }: Schedule, strength: number): Schedule {
  const steps = timesteps.length;
  const first = Math.trunc(Math.max(steps - Math.min(steps * strength, steps), 0));
  return {
    sigmas: sigmas.subarray(first),
    timesteps: timesteps.subarray(first),
    modelTimesteps: modelTimesteps.subarray(first),
  };
}

/** mu: the logarithm of the dynamic shift at a number of image tokens. */
export function dynamicShift(config: SchedulerConfig, imageTokens: number): number {
  const slope = (config.maxShift - config.baseShift) / (config.maxImageSeqLen - config.baseImageSeqLen);
  return config.baseShift + slope * (imageTokens - config.baseImageSeqLen);
}

function requirePositiveInteger(name: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw new TritcError({
    code: "TRITC_E_SCHEDULE",
    message: `${name} is not a positive whole number`,
    expected: "1 or more",
    found: String(value),
    remedy: `pass a whole number of ${name === "steps" ? "steps" : "image tokens"}`,
  });
}
