import { TritcError } from "../../ir/errors.js";
import { faultOf, type LaunchShape, launchOf, needsOf, type Tile } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { everyConfig, keyOf } from "./configs.js";
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

/** What is known besides of the kernels of a problem. */
export interface Wishes {
  /** The config that was found best by measuring; taken where the device takes it. */
  readonly measured?: KernelConfig | undefined;
  /** What a tile has to be, where several kernels share a grid. */
  readonly tile?: Tile | undefined;
}

/**
 * The config that was measured best; else the cheapest candidate that the device takes, and of those whose cost nobody
 * knows, the one that the family lists first. Throws `TRITC_E_KERNEL` where it takes none.
 */
export function choose<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  { measured, tile }: Wishes = {},
): Choice {
  const candidate = (config: KernelConfig): Candidate => ({
    config,
    cost: null,
    rejected: rejection(problem, templates, config, tile),
  });
  const preferred = templates.configs(problem);
  // Other configs than the preferred ones count where somebody asks for what those do not have.
  const configs =
    measured === undefined && tile === undefined ? preferred : everyConfig(templates.forms, preferred);
  const candidates = configs.map(candidate);
  const key = measured === undefined ? undefined : keyOf(measured);
  const best = candidates.find(({ config, rejected }) => rejected === null && keyOf(config) === key);
  if (best !== undefined) {
    return { problem, config: best.config, reason: "measured best", candidates: [best] };
  }
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

/** Why a device takes no kernel with a config; null where it takes it. */
export function rejection<P>(
  { params, device }: Pick<Problem<P>, "params" | "device">,
  { forms }: Pick<KernelTemplates<P>, "forms">,
  config: KernelConfig,
  tile?: Tile,
): string | null {
  const lacking = needsOf(forms, config).filter((feature) => !hasFeature(device, feature));
  if (lacking.length > 0) return `needs ${lacking.join(" and ")}`;
  const fault = faultOf(forms, params, config);
  if (fault !== undefined) return fault;
  const launch = launchOf(forms, params, config);
  if (tile !== undefined && String(tile) !== String(launch.tile)) {
    return `tiles of ${launch.tile.join(" x ")}, and the grid that it shares is of ${tile.join(" x ")}`;
  }
  return excessOf(launch, device);
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
