import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { FAMILIES, isFamily } from "../../ir/families/index.js";
import type { Manifest } from "../../ir/format/manifest.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import type { Kernel, KernelConfig, Launch, Program } from "../../ir/program/program.js";
import type { Target } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { configsFor, type Family } from "../../templates/index.js";
import type { Case } from "./case-program.js";

/** A kernel that there is something to choose for. */
export interface Subject {
  readonly kernel: Kernel;
  readonly family: Family;
  /** Its launches of a step by their number of rows, the most first. */
  readonly cases: readonly CountedCase[];
  /** What may take the place of its config, in the order in which they are tried. */
  readonly candidates: readonly KernelConfig[];
}

export interface CountedCase {
  readonly rows: number;
  /** Launches of a step that have so many. */
  readonly count: number;
  readonly case: Case;
}

/** Values of a program's symbols at each size that a bundle was planned for. */
export function plannedBindings({
  resolutions,
  sampling,
}: Pick<Manifest, "resolutions" | "sampling">): readonly Bindings[] {
  if (sampling === null) return [{}];
  const { pixelsPerToken, textLength, steps } = sampling;
  return resolutions.map(({ width, height }) => ({
    img_tokens: (width / pixelsPerToken) * (height / pixelsPerToken),
    txt_tokens: textLength,
    steps,
  }));
}

/**
 * The kernels of a step with more than one config that a device of the target takes, at these sizes.
 */
export function subjectsOf(program: Program, target: Target, sizes: readonly Bindings[]): readonly Subject[] {
  const launches = launchesThatRun(program, "step");
  return program.kernels.flatMap((kernel): readonly Subject[] => {
    const own = launches.filter((launch) => launch.kernel === kernel.id);
    if (own.length === 0 || !isFamily(kernel.family)) return [];
    const cases = casesOf(kernel, own, sizes);
    const params = FAMILIES[kernel.family].read(kernel);
    const present = keyOf(kernel.config);
    const rows = cases.map((counted) => counted.rows);
    const candidates = configsFor(kernel.family, params as never, target, rows).filter(
      (config) => keyOf(config) !== present,
    );
    return cases.length === 0 || candidates.length === 0
      ? []
      : [{ kernel, family: kernel.family, cases, candidates }];
  });
}

function casesOf(
  kernel: Kernel,
  launches: readonly Launch[],
  sizes: readonly Bindings[],
): readonly CountedCase[] {
  const byRows = new Map<number, CountedCase>();
  for (const bindings of sizes) {
    for (const launch of launches) {
      const rows = evaluateDim(launch.rows, bindings);
      const { count = 0, case: first = { kernel, launch, bindings } } = byRows.get(rows) ?? {};
      if (rows > 0) byRows.set(rows, { rows, count: count + 1, case: first });
    }
  }
  return [...byRows.values()].sort((a, b) => b.rows - a.rows);
}
