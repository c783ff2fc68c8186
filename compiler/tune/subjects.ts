import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import { roundingOf } from "../../ir/families/launch/form.js";
import { launchesThatRun, stepLaunches } from "../../ir/program/phases.js";
import type { Kernel, KernelConfig, Launch, Program } from "../../ir/program/program.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";
import type { Target } from "../../targets/index.js";
import { bufferBytes, isKept, runAllocations } from "../../targets/memory/buffers.js";
import { keyOf } from "../../templates/choice/configs.js";
import { configsFor, type Family } from "../../templates/index.js";
import type { Case } from "./case-program.js";
import type { BundleProgram } from "./programs.js";

/** A kernel that there is something to choose for. */
export interface Subject {
  /** Whose it is, and how often that runs while a picture is drawn. */
  readonly of: Pick<BundleProgram, "name" | "path" | "runs">;
  /** The first of a chain of fallbacks. */
  readonly kernel: Kernel;
  /** The config of the one that the device runs. */
  readonly present: KernelConfig;
  /** The device's kind, whose config is chosen. */
  readonly device: DeviceKind;
  readonly family: Family;
  /** Its launches by their number of rows, the most first. */
  readonly cases: readonly CountedCase[];
  /** What may take the place of its config, in the order in which they are tried. */
  readonly candidates: readonly KernelConfig[];
}

export interface CountedCase {
  readonly rows: number;
  /** Launches in a run of the program that have so many, on average over its sizes. */
  readonly count: number;
  /** Bytes of all that the program has in memory: what a run reads or writes before it comes to the same weights again. */
  readonly between: number;
  readonly case: Case;
}

/** A launch, and how often there is such a one in a run of its program. */
export interface CountedLaunch {
  readonly launch: Launch;
  readonly times: number;
}

/** The launches of a step, or of a run of a network. */
export function launchesOfRun(program: Program): readonly CountedLaunch[] {
  return launchesThatRun(program, "step").map((launch) => ({ launch, times: 1 }));
}

/**
 * All launches while a picture is drawn, by what of them falls to one of so many runs: those of a step with the default sampler's
 * update, and of the prompt's, which are there once for all steps. What loads the program is no part of a picture.
 */
export function launchesOfPicture(program: Program, runs: number): readonly CountedLaunch[] {
  return [
    ...launchesThatRun(program, "prompt").map((launch) => ({ launch, times: 1 / runs })),
    ...stepLaunches(program).map((launch) => ({ launch, times: 1 })),
  ];
}

/** A kernel's launches at these sizes, by their number of rows, the most first. */
export function casesOf(
  program: Program,
  kernel: Kernel,
  sizes: readonly Bindings[],
  launches: readonly CountedLaunch[],
): readonly CountedCase[] {
  const own = launches.filter(({ launch }) => launch.kernel === kernel.id);
  const byRows = new Map<number, CountedCase>();
  for (const bindings of sizes) {
    const between = memoryBytes(program, bindings);
    for (const { launch, times } of own) {
      const rows = evaluateDim(launch.rows, bindings);
      const known = byRows.get(rows) ?? { count: 0, between, case: { program, kernel, launch, bindings } };
      if (rows > 0) byRows.set(rows, { ...known, rows, count: known.count + times / sizes.length });
    }
  }
  return [...byRows.values()].sort((a, b) => b.rows - a.rows);
}

/** Bytes of a program's weights and of what a run has besides. */
function memoryBytes(program: Program, bindings: Bindings): number {
  const weights = program.buffers.filter(isKept).map((buffer) => bufferBytes(buffer, bindings));
  const others = runAllocations(program, bindings).map(({ bytes }) => bytes);
  return [...weights, ...others].reduce((sum, bytes) => sum + bytes, 0);
}

/** The kernels of a picture that have more than one config on a kind of devices, at a program's sizes. */
export function subjectsOf(of: BundleProgram, target: Target, device: DeviceKind): readonly Subject[] {
  const { sizes, bundle, runs } = of;
  const { program } = bundle;
  const launches = launchesOfPicture(program, runs);
  return program.kernels.flatMap((kernel): readonly Subject[] => {
    const { family } = kernel;
    const cases = casesOf(program, kernel, sizes, launches);
    const present = runOn(device, kernel, program.kernels)?.config;
    if (cases.length === 0 || !isFamily(family) || present === undefined) return [];
    const params = FAMILIES[family].read(kernel);
    const rows = cases.map((counted) => counted.rows);
    const scalars = new Map(
      cases.map(({ rows: count, case: { launch, bindings } }) => [
        count,
        launch.scalars.map((dim) => evaluateDim(dim, bindings)),
      ]),
    );
    // Configs that add in another order leave other bits.
    const forms = FAMILIES[family].forms[target.language];
    const order = (config: KernelConfig) => roundingOf<never>(forms as never, params as never, config);
    const candidates = configsFor(family, params as never, { target, device, rows, scalars }).filter(
      (config) => keyOf(config) !== keyOf(present) && order(config) === order(present),
    );
    return candidates.length === 0 ? [] : [{ of, kernel, present, device, family, cases, candidates }];
  });
}

/** The kernel of a chain of fallbacks that devices of a kind run. */
export function runOn(device: DeviceKind, kernel: Kernel, kernels: readonly Kernel[]): Kernel | undefined {
  if (kernel.features.every((feature) => hasFeature(device, feature))) return kernel;
  const next = kernels.find(({ id }) => id === kernel.fallback);
  return next === undefined ? undefined : runOn(device, next, kernels);
}
