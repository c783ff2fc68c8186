import { extentOf } from "../../program/region.js";
import type { FamilyArg } from "./arguments.js";
import { axesOf, type LaunchNumbers } from "./axes.js";
import { WINDOW_ALIGNMENT } from "./division.js";

/** An argument of which each step of a run has its own elements. */
export interface SteppedArg {
  /** Elements from one step's first to the next one's; 0: all steps have the same. */
  readonly stepStride: number;
  readonly elementBytes: number;
}

/**
 * Elements of argument `index` from the first to one past the last that a launch touches in one step, if a window of them can be bound, of
 * at most `bytes`, instead of those of all steps; else undefined. Windows of all steps begin as far from what a binding may begin at.
 */
export function stepWindow(
  arg: Pick<FamilyArg, "axes">,
  index: number,
  launch: LaunchNumbers,
  { stepStride, elementBytes }: SteppedArg,
  bytes: number,
): number | undefined {
  if (stepStride === 0 || (stepStride * elementBytes) % WINDOW_ALIGNMENT !== 0) return undefined;
  const extent = extentOf(axesOf(arg, index, launch));
  return extent * elementBytes <= bytes - WINDOW_ALIGNMENT ? extent : undefined;
}
