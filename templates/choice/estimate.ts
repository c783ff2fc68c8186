import type { Work } from "../../ir/program/work.js";
import type { Speed, UnitResource } from "../../targets/speed.js";
import type { Bound } from "./cost.js";

/** What a launch takes at least. */
export interface Estimate {
  readonly seconds: number;
  /** What takes these seconds. */
  readonly bound: Bound;
}

/** What does operations of a kind, the fastest first. */
const UNITS: Readonly<Record<keyof Work["operations"], readonly UnitResource[]>> = {
  int8: ["tensorInt8", "int8"],
  bf16: ["tensorF16", "f16", "f32"],
  f32: ["f32"],
};

/**
 * What a launch of any kernel takes at least: its operations by all units at their rates, or its bytes once from or to memory, and the launch
 * itself. It is the same for all configs, so it chooses none; families whose configs differ have a `cost`. Undefined where a rate is
 * not known.
 */
export function estimateOf(
  { operations, readBytes, writtenBytes }: Work,
  { units, hertz, perCycle, bytesPerSecond, launchSeconds }: Speed,
): Estimate | undefined {
  let longest: Estimate = { seconds: (readBytes + writtenBytes) / bytesPerSecond.memory, bound: "memory" };
  for (const [kind, names] of Object.entries(UNITS) as [keyof typeof UNITS, readonly UnitResource[]][]) {
    if (operations[kind] === 0) continue;
    const bound = names.find((name) => perCycle[name] !== undefined);
    const rate = bound === undefined ? undefined : perCycle[bound];
    if (bound === undefined || rate === undefined) return undefined;
    const seconds = operations[kind] / (rate * units * hertz);
    if (seconds > longest.seconds) longest = { seconds, bound };
  }
  return {
    seconds: longest.seconds + launchSeconds,
    bound: longest.seconds < launchSeconds ? "launch" : longest.bound,
  };
}
