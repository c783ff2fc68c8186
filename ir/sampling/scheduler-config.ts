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
  /** Of dynamic shifting: whether its shift is e to the power of what it is by the number of tokens, or that itself; exponential if absent. */
  readonly timeShiftType?: TimeShift | undefined;
  /** The last noise level above 0, which the others are stretched to; what it is by the shift alone if absent. */
  readonly shiftTerminal?: number | undefined;
  /** How levels lie between the first and the last; as the shift has them if absent. */
  readonly spacing?: SigmaSpacing | undefined;
}

/** exponential: the shift is e to the power of mu; linear: mu. */
export type TimeShift = "exponential" | "linear";
/** karras: equal steps of σ^(1/7) (Karras et al. 2022); exponential: of log σ. */
export type SigmaSpacing = "karras" | "exponential";

const SCHEDULER_CLASS = "FlowMatchEulerDiscreteScheduler";

/** Options that would change the schedule, with the values that leave it alone. */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  use_beta_sigmas: [false, null],
  use_flow_sigmas: [false, null],
  invert_sigmas: [false, null],
  stochastic_sampling: [false, null],
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
  "shift_terminal",
  "time_shift_type",
  "use_karras_sigmas",
  "use_exponential_sigmas",
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
  const flag = (name: string): boolean => {
    const value = record.get(name) ?? false;
    if (typeof value === "boolean") return value;
    throw schedulerError(place, `${name} is not a boolean`, "true or false", show(value));
  };
  const timeShift = record.get("time_shift_type") ?? "exponential";
  if (timeShift !== "exponential" && timeShift !== "linear")
    throw schedulerError(place, "time_shift_type is not known", "exponential or linear", show(timeShift));
  // Karras' levels win over exponential ones, as in Diffusers.
  const spacing = flag("use_karras_sigmas")
    ? "karras"
    : flag("use_exponential_sigmas")
      ? "exponential"
      : null;
  const number = (name: string, fallback: number, positive: boolean): number => {
    const value = record.get(name) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || (positive && value <= 0)) {
      const expected = positive ? "a positive number" : "a finite number";
      throw schedulerError(place, `${name} is malformed`, expected, show(value));
    }
    return value;
  };
  // 0 is none.
  const terminal = number("shift_terminal", 0, false);
  const config: SchedulerConfig = {
    numTrainTimesteps: number("num_train_timesteps", 1000, true),
    shift: number("shift", 1, true),
    useDynamicShifting: flag("use_dynamic_shifting"),
    baseShift: number("base_shift", 0.5, false),
    maxShift: number("max_shift", 1.15, false),
    baseImageSeqLen: number("base_image_seq_len", 256, true),
    maxImageSeqLen: number("max_image_seq_len", 4096, true),
    ...(timeShift === "linear" ? { timeShiftType: timeShift } : {}),
    ...(terminal === 0 ? {} : { shiftTerminal: terminal }),
    ...(spacing === null ? {} : { spacing }),
  };
  const problem = schedulerProblem(config);
  if (problem !== undefined) {
    const { shift, baseImageSeqLen, maxImageSeqLen } = config;
    throw schedulerError(
      place,
      problem,
      "a positive shift, base_image_seq_len below max_image_seq_len, and shift_terminal between 0 and 1",
      `${shift}, ${baseImageSeqLen} and ${maxImageSeqLen}, ${terminal}`,
    );
  }
  return config;
}

/** Why these numbers, each of them finite, make no schedule; undefined where they do. */
export function schedulerProblem(config: SchedulerConfig): string | undefined {
  const { numTrainTimesteps, shift, baseImageSeqLen, maxImageSeqLen, shiftTerminal = 0.5 } = config;
  if (Math.min(numTrainTimesteps, shift) <= 0)
    return "a schedule needs positive timesteps and a positive shift";
  if (baseImageSeqLen === maxImageSeqLen) return "the shift is undefined between two equal token counts";
  if (!(shiftTerminal > 0 && shiftTerminal < 1)) return "the last noise level is not between 0 and 1";
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
