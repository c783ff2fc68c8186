import { TritcError } from "../../ir/errors.js";
import { faultOf, type LaunchShape, launchOf, needsOf } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";
import type { KernelTemplates } from "../kernel-templates.js";
import type { Problem } from "./problem.js";

/** A config that was considered. */
export interface Candidate {
  readonly config: KernelConfig;
  /** Estimated seconds; null where nobody knows. */
  readonly cost: number | null;
  /** Why it cannot be; null where it can. */
  readonly rejected: string | null;
}

/** What was chosen for a problem, and from what. */
export interface Choice {
  readonly problem: Problem;
  readonly config: KernelConfig;
  readonly reason: string;
  /** In the order of the family's preference. */
  readonly candidates: readonly Candidate[];
}

/**
 * The cheapest candidate that the device takes; of those whose cost nobody knows, the one that the family lists first.
 * Throws `TRITC_E_KERNEL` where it takes none.
 */
export function choose<P>(problem: Problem<P>, templates: KernelTemplates<P>): Choice {
  const candidates = templates
    .configs(problem)
    .map((config): Candidate => ({ config, cost: null, rejected: rejection(problem, templates, config) }));
  const fitting = candidates.filter(({ rejected }) => rejected === null);
  const known = fitting.filter(({ cost }) => cost !== null);
  const cheapest = known.sort((a, b) => (a.cost ?? 0) - (b.cost ?? 0))[0];
  const chosen = cheapest ?? fitting[0];
  if (chosen === undefined) throw noneFits(problem, candidates);
  const others = fitting.length - 1;
  const reason =
    others === 0
      ? "the only candidate that fits"
      : cheapest !== undefined
        ? `the cheapest of ${fitting.length} that fit`
        : `the family's first of ${fitting.length} that fit`;
  return { problem, config: chosen.config, reason, candidates };
}

function rejection<P>(
  { params, device }: Problem<P>,
  { forms }: KernelTemplates<P>,
  config: KernelConfig,
): string | null {
  const lacking = needsOf(forms, config).filter((feature) => !hasFeature(device, feature));
  if (lacking.length > 0) return `needs ${lacking.join(" and ")}`;
  return faultOf(forms, params, config) ?? excessOf(launchOf(forms, params, config), device);
}

/** What a launch takes more of than the device has. */
function excessOf({ workgroup: [x, y, z], sharedBytes }: LaunchShape, device: DeviceKind): string | null {
  if (x * y * z > device.threads) return `${x * y * z} threads, and the device has ${device.threads}`;
  if (sharedBytes <= device.sharedBytes) return null;
  return `${sharedBytes} bytes of shared memory, and the device has ${device.sharedBytes}`;
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
