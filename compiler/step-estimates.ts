import type { Bindings } from "../ir/dim.js";
import { stepLaunches } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { type LaunchWork, launchWork } from "../ir/program/work.js";
import { deviceKinds } from "../targets/device-kind.js";
import type { Speed } from "../targets/speed.js";
import type { Target } from "../targets/target.js";
import type { Bound } from "../templates/choice/cost.js";
import { type Estimate, estimateOf } from "../templates/choice/estimate.js";
import type { KernelChoice } from "./choices.js";
import { printSeconds } from "./print-seconds.js";
import { printResolution, type Resolution } from "./resolutions.js";

/** What a step takes by the cost model. */
export interface StepEstimate {
  /** Null for a graph that draws no pictures. */
  readonly resolution: Resolution | null;
  readonly device: string;
  /** What the cost model takes the device for. */
  readonly speed: string;
  /** The sum over launches: those of families without a cost by operations and bytes, which is the least that they take. */
  readonly seconds: number;
  /** Seconds of launches by what bounds them, the most first. */
  readonly bounds: Readonly<Partial<Record<Bound, number>>>;
  /** Seconds by family of kernels, the most first. */
  readonly families: Readonly<Record<string, number>>;
}

/** A size that was planned. */
export interface PlannedSize {
  readonly resolution: Resolution | null;
  readonly sizes: Bindings;
}

/** What a step takes at each planned size, on each kind of the target's devices whose speed is known. */
export function stepEstimates(
  program: Program,
  target: Target,
  choices: readonly KernelChoice[],
  planned: readonly PlannedSize[],
): readonly StepEstimate[] {
  const launches = stepLaunches(program);
  return planned.flatMap(({ resolution, sizes }) => {
    const works = launchWork(program, launches, sizes);
    return deviceKinds(target).flatMap(({ name: device, speed }): readonly StepEstimate[] => {
      if (speed === null) return [];
      const chosen = choicesOn(device, program, choices);
      const taken = works.map((work) => ({
        family: work.family,
        ...launchEstimate(work, chosen.get(work.kernel), speed),
      }));
      if (taken.some(({ seconds }) => seconds === undefined)) return [];
      return [
        {
          ...{ resolution, device, speed: speed.of },
          seconds: taken.reduce((sum, { seconds = 0 }) => sum + seconds, 0),
          bounds: sums(taken, ({ bound }) => bound),
          families: sums(taken, ({ family }) => family),
        },
      ];
    });
  });
}

function launchEstimate(work: LaunchWork, choice: KernelChoice | undefined, speed: Speed): Partial<Estimate> {
  return choice?.cost?.launches.find(({ rows }) => rows === work.rows) ?? estimateOf(work, speed) ?? {};
}

/** By kernel that launches name, the choice for a device: of the kernel itself or of one behind it. */
function choicesOn(
  device: string,
  program: Pick<Program, "kernels">,
  choices: readonly KernelChoice[],
): ReadonlyMap<string, KernelChoice> {
  const own = new Map(
    choices.filter((choice) => choice.device === device).map((choice) => [choice.kernel, choice]),
  );
  const byId = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const found = (id: string | null): KernelChoice | undefined =>
    id === null ? undefined : (own.get(id) ?? found(byId.get(id)?.fallback ?? null));
  return new Map(
    program.kernels.flatMap(({ id }) => {
      const choice = found(id);
      return choice === undefined ? [] : [[id, choice] as const];
    }),
  );
}

/** Seconds by a name, the most first. */
function sums<T extends Partial<Estimate>>(taken: readonly T[], nameOf: (of: T) => string | undefined) {
  const all = new Map<string, number>();
  for (const one of taken) {
    const name = nameOf(one) ?? "";
    all.set(name, (all.get(name) ?? 0) + (one.seconds ?? 0));
  }
  return Object.fromEntries([...all].sort(([, a], [, b]) => b - a));
}

/**
 * The estimates as text.
 *
 *   a step of 1024x1024 by the cost model
 *     GPU, a GPU of the middle class: 2.31 s; bound by int8 81%, issue 12%; ternary-gemm 83%, attention 11%
 */
export function printStepEstimates(estimates: readonly StepEstimate[]): string {
  const lines: string[] = [];
  let size: string | undefined;
  for (const { resolution, device, speed, seconds, bounds, families } of estimates) {
    const of = resolution === null ? "" : ` of ${printResolution(resolution)}`;
    if (of !== size) lines.push(`a step${of} by the cost model`);
    size = of;
    lines.push(
      `  ${device}, ${speed}: ${printSeconds(seconds)}; bound by ${shares(bounds, seconds)}; ${shares(families, seconds)}`,
    );
  }
  return lines.join("\n");
}

/** Those that are at least a hundredth. */
function shares(parts: Readonly<Record<string, number>>, whole: number): string {
  return Object.entries(parts)
    .map(([name, part]) => [name, Math.round((100 * part) / whole)] as const)
    .filter(([, percent]) => percent >= 1)
    .map(([name, percent]) => `${name} ${percent}%`)
    .join(", ");
}
