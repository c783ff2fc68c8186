import { TritcError } from "../errors.js";

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
    const harmless = (Object.hasOwn(UNSUPPORTED, name) ? UNSUPPORTED[name] : undefined) ?? [false, null];
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
  const problem = schedulerProblem(config);
  if (problem !== undefined) {
    const { shift, baseImageSeqLen, maxImageSeqLen } = config;
    throw schedulerError(
      place,
      problem,
      "a positive shift, and base_image_seq_len below max_image_seq_len",
      `${shift}, ${baseImageSeqLen} and ${maxImageSeqLen}`,
    );
  }
  return config;
}

/** Why these numbers, each of them finite, make no schedule; undefined where they do. */
export function schedulerProblem(config: SchedulerConfig): string | undefined {
  const { numTrainTimesteps, shift, baseImageSeqLen, maxImageSeqLen } = config;
  if (Math.min(numTrainTimesteps, shift) <= 0)
    return "a schedule needs positive timesteps and a positive shift";
  if (baseImageSeqLen === maxImageSeqLen) return "the shift is undefined between two equal token counts";
  return undefined;
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
