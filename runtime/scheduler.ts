import { TritcError } from "../ir/errors.js";

/** The options of a `FlowMatchEulerDiscreteScheduler` that shape its sigmas. */
export interface SchedulerConfig {
  /** Timestep of pure noise (sigma 1). */
  readonly numTrainTimesteps: number;
  /** Static shift, used only where dynamic shifting is off. */
  readonly shift: number;
  /** Whether the shift depends on the number of image tokens. */
  readonly useDynamicShifting: boolean;
  /** Logarithm of the shift at `baseImageSeqLen` tokens. */
  readonly baseShift: number;
  /** Logarithm of the shift at `maxImageSeqLen` tokens. */
  readonly maxShift: number;
  readonly baseImageSeqLen: number;
  readonly maxImageSeqLen: number;
}

export interface ScheduleRequest {
  /** Number of denoising steps, N >= 1. */
  readonly steps: number;
  /** Packed image tokens, (height/16)(width/16). */
  readonly imageTokens: number;
}

export interface Schedule {
  /** [N+1] noise levels, from 1 down; the last one is 0. Step i is `x += (sigma[i+1] - sigma[i]) * v`. */
  readonly sigmas: Float32Array;
  /** [N] the scheduler's timesteps, `numTrainTimesteps * sigma[i]`. */
  readonly timesteps: Float32Array;
  /** [N] what the transformer's `timestep` input gets: timestep / 1000 (the graph multiplies by 1000). */
  readonly modelTimesteps: Float32Array;
}

const SCHEDULER_CLASS = "FlowMatchEulerDiscreteScheduler";

/** Options that would change the schedule, with the values that leave it alone. */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  shift_terminal: [null],
  use_karras_sigmas: [false, null],
  use_exponential_sigmas: [false, null],
  use_beta_sigmas: [false, null],
  use_flow_sigmas: [false, null],
  invert_sigmas: [false, null],
  stochastic_sampling: [false, null],
  time_shift_type: ["exponential", null],
};

/** Options that are read below, or that say nothing about the sigmas. */
const KNOWN: ReadonlySet<string> = new Set([
  "num_train_timesteps",
  "shift",
  "use_dynamic_shifting",
  "base_shift",
  "max_shift",
  "base_image_seq_len",
  "max_image_seq_len",
]);

/**
 * Reads a `scheduler_config.json`.
 *
 * @param json the parsed file
 * @param place the file's name, for errors
 * @throws TritcError `TRITC_E_SCHEDULER` for another scheduler class, a malformed number, or an
 *   option that is switched on and not implemented (an unknown one counts: its schedule would be a guess)
 */
export function readSchedulerConfig(json: unknown, place = "scheduler_config.json"): SchedulerConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw schedulerError(place, "the scheduler config is not a JSON object", "an object", show(json));
  }
  const record = new Map<string, unknown>(Object.entries(json));
  const className = record.get("_class_name");
  if (className !== undefined && className !== SCHEDULER_CLASS) {
    throw schedulerError(place, "this scheduler is not supported", SCHEDULER_CLASS, show(className));
  }
  for (const [name, value] of record) {
    if (name.startsWith("_") || KNOWN.has(name)) continue;
    const harmless = UNSUPPORTED[name] ?? [false, null];
    if (!harmless.includes(value)) {
      throw schedulerError(
        place,
        `the option ${name} is set and not supported`,
        `${name} absent or one of ${harmless.map(show).join(", ")}`,
        show(value),
      );
    }
  }
  const dynamic = record.get("use_dynamic_shifting") ?? false;
  if (typeof dynamic !== "boolean") {
    throw schedulerError(place, "use_dynamic_shifting is not a boolean", "true or false", show(dynamic));
  }
  const number = (name: string, fallback: number, positive: boolean): number => {
    const value = record.get(name) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || (positive && value <= 0)) {
      const expected = positive ? "a positive number" : "a finite number";
      throw schedulerError(place, `${name} is malformed`, expected, show(value));
    }
    return value;
  };
  const config: SchedulerConfig = {
    numTrainTimesteps: number("num_train_timesteps", 1000, true),
    shift: number("shift", 1, true),
    useDynamicShifting: dynamic,
    baseShift: number("base_shift", 0.5, false),
    maxShift: number("max_shift", 1.15, false),
    baseImageSeqLen: number("base_image_seq_len", 256, true),
    maxImageSeqLen: number("max_image_seq_len", 4096, true),
  };
  if (config.baseImageSeqLen === config.maxImageSeqLen) {
    throw schedulerError(
      place,
      "the shift is undefined between two equal token counts",
      "base_image_seq_len below max_image_seq_len",
      `${config.baseImageSeqLen} and ${config.maxImageSeqLen}`,
    );
  }
  return config;
}

/**
 * The sigmas of rectified-flow Euler sampling.
 *
 * `s = linspace(1, 1/N, N)`, shifted by `shift / (shift + (1/s - 1))`, then 0. The shift is the
 * config's own, or `exp(mu)` with mu linear in the number of image tokens (the timestep shifting of
 * "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", section 5.3.2).
 * Computed in double precision and rounded once.
 */
export function makeSchedule(config: SchedulerConfig, request: ScheduleRequest): Schedule {
  const { steps, imageTokens } = request;
  requirePositiveInteger("steps", steps);
  requirePositiveInteger("imageTokens", imageTokens);
  const shift = config.useDynamicShifting ? Math.exp(dynamicShift(config, imageTokens)) : config.shift;
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
    found: show(value),
    remedy: `pass a whole number of ${name === "steps" ? "steps" : "image tokens"}`,
  });
}

function schedulerError(place: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_SCHEDULER",
    message,
    place,
    expected,
    found,
    remedy: `use the scheduler_config.json of a FLUX.1 export (${SCHEDULER_CLASS})`,
  });
}

function show(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
