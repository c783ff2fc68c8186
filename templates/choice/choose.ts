import { TritcError } from "../../ir/errors.js";
import type { Tile } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { keyOf } from "./configs.js";
import { type Candidate, consider, considered } from "./consider.js";
import type { Problem } from "./problem.js";

/** What was chosen for a problem, and from what. */
export interface Choice {
  readonly problem: Problem;
  readonly config: KernelConfig;
  readonly reason: string;
  /** In the order of the family's preference. */
  readonly candidates: readonly Candidate[];
}

/** What is known besides of the kernels of a problem. */
export interface Wishes {
  /** The config that was found best by measuring; taken where the device takes it. */
  readonly measured?: KernelConfig | undefined;
  /** What a tile has to be, where several kernels share a grid. */
  readonly tile?: Tile | undefined;
}

/** What another config must be cheaper by than the family's first: the model is no better than that. */
const WORTHWHILE = 0.03;

/**
 * The config that was measured best; else the cheapest candidate that the device takes by the cost model, and the one that the
 * family lists first where nobody knows that one's cost or little is between them. Throws `TRITC_E_KERNEL` where the device takes none.
 */
export function choose<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  { measured, tile }: Wishes = {},
): Choice {
  const candidates = candidatesOf(problem, templates, { measured, tile });
  const key = measured === undefined ? undefined : keyOf(measured);
  const best = candidates.find(({ config, rejected }) => rejected === null && keyOf(config) === key);
  if (best !== undefined) {
    return { problem, config: best.config, reason: "measured best", candidates: [best] };
  }
  const fitting = candidates.filter(({ rejected }) => rejected === null);
  const chosen = bestOf(fitting, problem.device.speed?.doubt);
  if (chosen === undefined) throw noneFits(problem, candidates);
  return { problem, config: chosen.config, reason: reasonOf(chosen, fitting), candidates };
}

/** All that is considered for a problem, in the order of the family's preference. */
export function candidatesOf<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  { measured, tile }: Wishes = {},
): readonly Candidate[] {
  const preferred = templates.configs(problem);
  // Other configs than the preferred ones count where costs tell them apart, or somebody asks for what those do not have.
  const isWide = measured !== undefined || tile !== undefined || isCosted(problem, templates);
  const configs = isWide ? considered(problem, templates) : preferred;
  return tellingOf(
    configs.map((config) => consider(problem, templates, config, tile)),
    preferred.length,
  );
}

/** Without those beyond the family's that are rejected for the same reason as one before: there may be thousands. */
function tellingOf(candidates: readonly Candidate[], own: number): readonly Candidate[] {
  const reasons = new Set<string>();
  return candidates.filter(({ config, rejected }, i) => {
    if (rejected === null) return true;
    const reason = `${config.variant} ${rejected}`;
    const isNew = !reasons.has(reason);
    reasons.add(reason);
    return isNew || i < own;
  });
}

function isCosted<P>({ device, rows }: Problem<P>, { cost }: KernelTemplates<P>): boolean {
  return cost !== undefined && device.speed !== null && rows.length > 0;
}

/** Of candidates that a device takes, in the family's order, the one to take. */
export function bestOf(
  fitting: readonly Candidate[],
  worthwhile: number = WORTHWHILE,
): Candidate | undefined {
  const [first] = fitting;
  if (first?.cost == null) return first;
  let best = first;
  let least = first.cost.seconds * (1 - worthwhile);
  for (const candidate of fitting) {
    const seconds = candidate.cost?.seconds ?? Number.POSITIVE_INFINITY;
    if (seconds < least) [best, least] = [candidate, seconds];
  }
  return best;
}

function reasonOf(chosen: Candidate, fitting: readonly Candidate[]): string {
  if (fitting.length === 1) return "the only candidate that fits";
  const [first] = fitting;
  if (chosen !== first) return `the cheapest of ${fitting.length} that fit`;
  const known = chosen.cost === null ? "" : ", none of which is worth another choice";
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
