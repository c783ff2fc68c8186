import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import { roundingOf } from "../../ir/families/launch/form.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Kernel, KernelConfig, Program } from "../../ir/program/program.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";
import type { Target } from "../../targets/index.js";
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
  /** Its launches of a step by their number of rows, the most first. */
  readonly cases: readonly CountedCase[];
  /** What may take the place of its config, in the order in which they are tried. */
  readonly candidates: readonly KernelConfig[];
}

export interface CountedCase {
  readonly rows: number;
  /** Launches of a run of the program that have so many, on average over its sizes. */
  readonly count: number;
  readonly case: Case;
}

/** A kernel's launches in a run at these sizes, by their number of rows, the most first. */
export function casesOf(
  program: Program,
  kernel: Kernel,
  sizes: readonly Bindings[],
): readonly CountedCase[] {
  const own = launchesThatRun(program, "step").filter((launch) => launch.kernel === kernel.id);
  const byRows = new Map<number, CountedCase>();
  for (const bindings of sizes) {
    for (const launch of own) {
      const rows = evaluateDim(launch.rows, bindings);
      const { count = 0, case: first = { program, kernel, launch, bindings } } = byRows.get(rows) ?? {};
      if (rows > 0) byRows.set(rows, { rows, count: count + 1 / sizes.length, case: first });
    }
  }
  return [...byRows.values()].sort((a, b) => b.rows - a.rows);
}

/** The kernels of a step that have more than one config on a kind of devices, at these sizes. */
export function subjectsOf(of: BundleProgram, target: Target, device: DeviceKind): readonly Subject[] {
  const { sizes, bundle } = of;
  const { program } = bundle;
  return program.kernels.flatMap((kernel): readonly Subject[] => {
    const { family } = kernel;
    const cases = casesOf(program, kernel, sizes);
    const present = runOn(device, kernel, program.kernels)?.config;
    if (cases.length === 0 || !isFamily(family) || present === undefined) return [];
    const params = FAMILIES[family].read(kernel);
    const rows = cases.map((counted) => counted.rows);
    // Configs that add in another order leave other bits.
    const forms = FAMILIES[family].forms[target.language];
    const order = (config: KernelConfig) => roundingOf<never>(forms as never, params as never, config);
    const candidates = configsFor(family, params as never, { target, device, rows }).filter(
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
