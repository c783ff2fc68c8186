/** Programs with one thing wrong, made of the sample, and what says that they are refused. */
import { expect, it } from "vitest";
import { TritcError } from "../../ir/errors.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Kernel, Launch, LaunchArg, Phase, Program, ProgramBuffer } from "../../ir/program/program.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { byPhase, type PhaseName } from "../support/phases.js";
import { arg, SAMPLE } from "./program-sample.js";

/** The sample with one buffer, kernel, launch, argument or port changed. */
export const buffer = (id: string, change: Partial<ProgramBuffer>): Program => ({
  ...SAMPLE,
  buffers: SAMPLE.buffers.map((b) => (b.id === id ? { ...b, ...change } : b)),
});
export const kernel = (id: string, change: Partial<Kernel>): Program => ({
  ...SAMPLE,
  kernels: SAMPLE.kernels.map((k) => (k.id === id ? { ...k, ...change } : k)),
});
export const phase = (name: PhaseName, change: Partial<Phase>): Program => ({
  ...SAMPLE,
  phases: SAMPLE.phases.map((p) => (p.name === name ? { ...p, ...change } : p)),
});
export const launch = (
  phase: PhaseName,
  index: number,
  change: (launch: Launch) => Partial<Launch>,
): Program => ({
  ...SAMPLE,
  phases: phasesWith({
    ...byPhase(SAMPLE),
    [phase]: byPhase(SAMPLE)[phase].map((l, i) => (i === index ? { ...l, ...change(l) } : l)),
  }),
});
export const launchArg = (
  phase: PhaseName,
  index: number,
  position: number,
  change: Partial<LaunchArg>,
): Program =>
  launch(phase, index, ({ args }) => ({
    args: args.map((a, i) => (i === position ? { ...a, ...change } : a)),
  }));
export const port = (
  kind: "inputs" | "outputs",
  index: number,
  change: Partial<Program["inputs"][number]>,
): Program => ({
  ...SAMPLE,
  [kind]: SAMPLE[kind].map((p, i) => (i === index ? { ...p, ...change } : p)),
});
export const arena = (slot: number): Pick<ProgramBuffer, "storage"> => ({ storage: { kind: "arena", slot } });

/** The sample with another buffer; `slot` is where it lies. */
export const extended = (slot: number): Program => ({
  ...SAMPLE,
  buffers: [...SAMPLE.buffers, { id: "late", dtype: "f32", elements: "8*img_tokens", ...arena(slot) }],
});
export const softening = (from: string, to: string): Launch => ({
  ...(byPhase(SAMPLE).step[3] as Launch),
  args: [arg(from, 0, 8), arg(to, 0, 8)],
});
export const softeningLate = phasesWith({
  ...byPhase(SAMPLE),
  euler: [...byPhase(SAMPLE).euler, softening("soft", "late")],
});

/** What is wrong, a program with it, and what the message says. */
export type Broken = readonly (readonly [string, Program, RegExp])[];

/** Makes a test of each. */
export function refusesEach(cases: Broken): void {
  it.each(cases)("refuses %s", (_, program, message) => {
    const error = failure(() => verifyProgram(program));
    expect(error.code).toBe("TRITC_E_PROGRAM");
    expect(error.message).toMatch(message);
  });
}

/** The error that `act` throws. */
export function failure(act: () => void): TritcError {
  try {
    act();
  } catch (error) {
    if (error instanceof TritcError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
