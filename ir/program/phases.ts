import { SAMPLERS, type SamplerName, UPDATE_RULES } from "../sampling/rules/index.js";
import type { Launch, Phase, Program, Repetition } from "./program.js";

/** What a phase is, whatever its launches are. */
export type PhaseDeclaration = Omit<Phase, "launches">;

/**
 * The phases of a pipeline, in order. A program has some of them in this order, and no launch of a bundle may do more than
 * what is said here:
 *
 *  - load: unpacks weights into device layout
 *  - prompt: what depends on text and timesteps alone
 *  - step: the model
 *  - the updates of each sampler
 */
export const PHASES: readonly PhaseDeclaration[] = [
  { name: "load", runs: "load", writes: ["resident"] },
  { name: "prompt", runs: "prompt", writes: ["arena"] },
  { name: "step", runs: "step", writes: ["arena"] },
  ...Object.values(UPDATE_RULES).flatMap(({ updates }) =>
    updates.map(({ name }): PhaseDeclaration => ({ name, runs: "update", writes: ["arena", "state"] })),
  ),
];

/** The declared phases that `launches` has a list for, by name. */
export function phasesWith(launches: Readonly<Record<string, readonly Launch[]>>): readonly Phase[] {
  return PHASES.flatMap((phase) => {
    const own = launches[phase.name];
    return own === undefined ? [] : [{ ...phase, launches: own }];
  });
}

type Phases = Pick<Program, "phases">;

/** Names of the phases that run so often, in order. */
export function phasesThatRun({ phases }: Phases, ...runs: readonly Repetition[]): readonly string[] {
  return phases.filter((phase) => runs.includes(phase.runs)).map(({ name }) => name);
}

/** Launches of the phases that run so often, in order. */
export function launchesThatRun({ phases }: Phases, ...runs: readonly Repetition[]): readonly Launch[] {
  return phases.filter((phase) => runs.includes(phase.runs)).flatMap(({ launches }) => launches);
}

/** The samplers whose updates the program has. */
export function samplersOf({ phases }: Phases): readonly SamplerName[] {
  const names = new Set(phases.map(({ name }) => name));
  return SAMPLERS.filter((sampler) => UPDATE_RULES[sampler].updates.every(({ name }) => names.has(name)));
}

/** Launches of one step with the default sampler's update. */
export function stepLaunches(program: Phases): readonly Launch[] {
  const [update] = phasesThatRun(program, "update");
  const updates = update === undefined ? [] : phasesNamed(program, [update]);
  return [...launchesThatRun(program, "step"), ...updates.flatMap(({ launches }) => launches)];
}

/** All launches, in order. */
export function allLaunches({ phases }: Phases): readonly Launch[] {
  return phases.flatMap(({ launches }) => launches);
}

/** Phases by name, as a device runs them. Throws a RangeError for a name that the program does not have. */
export function phasesNamed({ phases }: Phases, names: readonly string[]): readonly Phase[] {
  return names.map((name) => {
    const phase = phases.find((candidate) => candidate.name === name);
    if (phase === undefined) throw new RangeError(`the program has no phase ${name}`);
    return phase;
  });
}
