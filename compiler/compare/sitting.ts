import type { LatentGeometry, LatentLayout } from "../../ir/models/index.js";
import type { EncodedPrompt } from "../../runtime/node/pipeline-models.js";
import { initialLatents } from "../../runtime/noise.js";
import type { TwoPasses } from "../../runtime/sample-inputs.js";
import type { Schedule } from "../../runtime/scheduler.js";

/** A picture that all models draw. */
export interface Sample {
  readonly prompt: string;
  readonly seed: number;
  readonly text: EncodedPrompt;
}

/** What all models draw, and how: their noise and text, sizes and schedule are the same. */
export interface Sitting {
  readonly samples: readonly Sample[];
  readonly geometry: LatentGeometry;
  readonly layout: LatentLayout;
  readonly schedule: Schedule;
  /** 0 for models that take none. */
  readonly guidance: number;
  /** For models that are guided by two passes. */
  readonly twoPasses?: TwoPasses;
}

/** Steps of the schedule. */
export function stepsOf({ schedule }: Sitting): number {
  return schedule.modelTimesteps.length;
}

export function noiseOf({ geometry, layout }: Sitting, { seed }: Sample): Float32Array {
  return initialLatents(seed, geometry, 0, layout);
}

/** Samples, as many at a time, each with its number. */
export function* groupsOf(
  { samples }: Sitting,
  size: number,
): Generator<readonly (readonly [number, Sample])[]> {
  const numbered = [...samples.entries()];
  for (let at = 0; at < numbered.length; at += size) yield numbered.slice(at, at + size);
}
