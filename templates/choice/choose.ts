import { TritcError } from "../../ir/errors.js";
import { roundingOf } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { type Candidate, consider, considered, type KnownCosts } from "./consider.js";
import type { Problem } from "./problem.js";

/** What was chosen for a problem, and from what. */
export interface Choice<P = unknown> {
  readonly problem: Problem<P>;
  readonly config: KernelConfig;
  readonly reason: string;
  /** In the order of the family's preference. */
  readonly candidates: readonly Candidate[];
}

/** The reason of choices that somebody has measured. */
export const MEASURED_BEST = "measured best";

/** What another config must be cheaper by than the family's first: the model is no better than that. */
const WORTHWHILE = 0.05;

/**
 * The config that was measured best, where the device takes it; else the cheapest candidate by the cost model, and the one that the
 * family lists first where nobody knows that one's cost or little is between them. Throws `TRITC_E_KERNEL` where the device takes none.
 */
export function choose<P>(
  problem: Problem<P>,
  candidates: readonly Candidate[],
  measured?: KernelConfig,
): Choice<P> {
  const measuredBest =
    measured && candidates.find(({ config, rejected }) => rejected === null && isSame(config, measured));
  if (measuredBest !== undefined) return ofMeasured(problem, measuredBest);
  const chosen = bestOf(candidates, problem.device.speed?.doubt);
  if (chosen === undefined) throw noneFits(problem, candidates);
  return { problem, config: chosen.config, reason: reasonOf(chosen, candidates), candidates };
}

/** The choice of a config that was measured best, where the family has it and the device takes it; no other is considered. */
export function chooseMeasured<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  measured: KernelConfig,
): Choice<P> | undefined {
  const config = considered(problem, templates).find((one) => isSame(one, measured));
  const candidate = config && consider(problem, templates, config);
  return candidate?.rejected === null ? ofMeasured(problem, candidate) : undefined;
}

function ofMeasured<P>(problem: Problem<P>, candidate: Candidate): Choice<P> {
  return { problem, config: candidate.config, reason: MEASURED_BEST, candidates: [candidate] };
}

/** What `keyOf` says, without the texts: there may be thousands. */
function isSame(a: KernelConfig, b: KernelConfig): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/**
 * All that is considered for a problem, in the order of the family's preference: what the family prefers, and every other combination
 * where costs tell them apart or `every` asks for it. `known` is as for `consider`.
 */
export function candidatesOf<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  every = false,
  known?: KnownCosts,
): readonly Candidate[] {
  const preferred = templates.configs(problem);
  const { device, rows } = problem;
  const isCosted = templates.cost !== undefined && device.speed !== null && rows.length > 0;
  const configs = every || isCosted ? considered(problem, templates) : preferred;
  const order = (config: KernelConfig) => roundingOf(templates.forms, problem.params, config);
  const [first] = preferred;
  const kept =
    every || templates.keepsOrder !== true || first === undefined
      ? configs
      : configs.filter((config) => order(config) === order(first));
  return counted(
    kept.map((config) => consider(problem, templates, config, known)),
    preferred.length,
  );
}

/** Those beyond the family's that are rejected for the same reason as one before are counted there: there may be thousands. */
function counted(candidates: readonly Candidate[], own: number): readonly Candidate[] {
  const byReason = new Map<string, number>();
  const kept: Candidate[] = [];
  for (const [i, candidate] of candidates.entries()) {
    const { config, rejected } = candidate;
    const reason = `${config.variant} ${rejected}`;
    const at = rejected === null || i < own ? undefined : byReason.get(reason);
    const alike = at === undefined ? undefined : kept[at];
    if (at !== undefined && alike !== undefined) kept[at] = { ...alike, alike: (alike.alike ?? 0) + 1 };
    else {
      if (rejected !== null && !byReason.has(reason)) byReason.set(reason, kept.length);
      kept.push(candidate);
    }
  }
  return kept;
}

/** Of candidates in the family's order, the one to take; undefined where the device takes none. */
export function bestOf(
  candidates: readonly Candidate[],
  worthwhile: number = WORTHWHILE,
): Candidate | undefined {
  const first = candidates.find(({ rejected, measuredOnly }) => rejected === null && measuredOnly !== true);
  if (first?.cost == null) return first;
  let best = first;
  let least = first.cost.seconds * (1 - worthwhile);
  for (const candidate of candidates) {
    const seconds = candidate.cost?.seconds ?? Number.POSITIVE_INFINITY;
    if (seconds < least && candidate.measuredOnly !== true) [best, least] = [candidate, seconds];
  }
  return best;
}

function reasonOf(chosen: Candidate, candidates: readonly Candidate[]): string {
  const fitting = candidates.filter(({ rejected }) => rejected === null);
  if (fitting.length === 1) return "the only candidate that fits";
  if (chosen !== fitting[0]) return `the cheapest of ${fitting.length} that fit`;
  const known = chosen.cost === null ? "" : ", and none is much cheaper";
  return `the family's first of ${fitting.length} that fit${known}`;
}

function noneFits({ family, device }: Problem, candidates: readonly Candidate[]): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message: `there is no ${family} kernel for this`,
    place: device.name,
    found: candidates.map(({ config, rejected }) => `${config.variant}: ${rejected}`).join("; "),
    remedy: "compile for another target",
  });
}
