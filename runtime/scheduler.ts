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
 * Then what the config asks for: the last level above 0 is `shiftTerminal`, others being stretched away from 1 alike; levels between
 * the first and the last are spaced anew. Computed in double precision and rounded once.
 */
export function makeSchedule(config: SchedulerConfig, request: ScheduleRequest): Schedule {
  const { steps, imageTokens, model } = request;
  requirePositiveInteger("steps", steps);
  checkWhole("steps", steps, 1, MAX_STEPS);
  requirePositiveInteger("imageTokens", imageTokens);
  const rules = model === undefined ? undefined : familyOf(model).sampling;
  const mu = rules?.dynamicShift?.(imageTokens, steps) ?? dynamicShift(config, imageTokens);
  const dynamic = config.timeShiftType === "linear" ? mu : Math.exp(mu);
  const shift = config.useDynamicShifting ? dynamic : config.shift;
  if (!(shift > 0)) throw noSchedule("the shift by the number of image tokens", "above 0", String(shift));
  const sigmas = new Float32Array(steps + 1);
  const timesteps = new Float32Array(steps);
  const modelTimesteps = new Float32Array(steps);
  const last = 1 / steps;
  const shifted = Array.from({ length: steps }, (_, i) => {
    const s = steps === 1 ? 1 : 1 + ((last - 1) * i) / (steps - 1);
    return shift / (shift + (1 / s - 1));
  });
  for (const [i, sigma] of spaced(stretched(shifted, config), config).entries()) {
    sigmas[i] = sigma;
    timesteps[i] = sigma * config.numTrainTimesteps;
    modelTimesteps[i] = (sigma * config.numTrainTimesteps) / 1000;
  }
  return { sigmas, timesteps, modelTimesteps };
}

/** 1 − (1 − σ)·(1 − terminal)/(1 − σ_last): the last level becomes the terminal one. */
function stretched(sigmas: readonly number[], { shiftTerminal }: SchedulerConfig): readonly number[] {
  const last = sigmas.at(-1) ?? 1;
  if (shiftTerminal === undefined) return sigmas;
  if (last === 1) throw noSchedule("a single step with shift_terminal", "2 steps or more", "1");
  return sigmas.map((sigma) => 1 - ((1 - sigma) * (1 - shiftTerminal)) / (1 - last));
}

/** Levels between the first and the last, in equal steps of a function of them. */
function spaced(sigmas: readonly number[], { spacing }: SchedulerConfig): readonly number[] {
  if (spacing === undefined) return sigmas;
  const [to, back] = {
    karras: [(x: number) => x ** (1 / 7), (y: number) => y ** 7],
    exponential: [Math.log, Math.exp],
  }[spacing] as [(x: number) => number, (y: number) => number];
  const [first, last] = [to(sigmas[0] ?? 1), to(sigmas.at(-1) ?? 1)];
  return sigmas.map((_, i) => back(first + ((last - first) * i) / Math.max(1, sigmas.length - 1)));
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

function noSchedule(what: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_SCHEDULE",
    message: `${what} gives no noise levels`,
    expected,
    found,
    remedy: "draw in more steps, at another size, or with another scheduler_config.json",
  });
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
