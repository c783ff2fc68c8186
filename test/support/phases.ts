import type { Launch, Program } from "../../ir/program/program.js";

export type PhaseName = "load" | "prompt" | "step" | "euler";

/** The launches of a program by phase, to make others of. */
export function byPhase({ phases }: Pick<Program, "phases">): Readonly<Record<PhaseName, readonly Launch[]>> {
  const found = Object.fromEntries(phases.map(({ name, launches }) => [name, launches]));
  return { load: [], prompt: [], step: [], euler: [], ...found };
}
