import {
  type Forms,
  faultOf,
  type LaunchShape,
  launchOf,
  needsOf,
  type Tile,
} from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { type DeviceKind, hasFeature } from "../../targets/device-kind.js";
import type { Speed } from "../../targets/speed.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { everyConfig } from "./configs.js";
import { type LaunchTime, timeOf } from "./cost.js";
import { occupancyFault } from "./cuda-occupancy.js";
import type { Problem } from "./problem.js";

/** What the launches of a kernel with a config take by the model, each number of rows once. */
export interface Cost {
  /** What configs are compared by: the sum over launches, and where a kind stands for several devices their geometric mean. */
  readonly seconds: number;
  /** As the problem has its rows, on the device that the kind's numbers are of. */
  readonly launches: readonly LaunchTime[];
}

/** A config that was considered. */
export interface Candidate {
  readonly config: KernelConfig;
  /** Null where nobody knows, or where it cannot be. */
  readonly cost: Cost | null;
  /** Why it cannot be; null where it can. */
  readonly rejected: string | null;
  /** It is taken where it was measured, and else never. */
  readonly measuredOnly?: true;
  /** How many more cannot be for the same reason, which are not listed. */
  readonly alike?: number;
}

/** Costs that are known for one kernel's parameters and rows on devices that are equally fast, by config. */
export type KnownCosts = Map<KernelConfig, Cost | null>;

/** What is known of a config for a problem; its cost is looked up in `known`, or added to it. */
export function consider<P>(
  problem: Problem<P>,
  templates: KernelTemplates<P>,
  config: KernelConfig,
  known?: KnownCosts,
): Candidate {
  const rejected = rejection(problem, templates, config);
  let cost = rejected === null ? known?.get(config) : null;
  if (cost === undefined) {
    cost = costOf(problem, templates, config);
    known?.set(config, cost);
  }
  const measuredOnly = templates.measuredOnly?.includes(config.variant) === true;
  return { config, cost, rejected, ...(measuredOnly && { measuredOnly }) };
}

/** Null where the rows are not known, or the family or the device does not say. */
export function costOf<P>(
  { params, device, rows, scalars }: Problem<P>,
  { forms, cost }: KernelTemplates<P>,
  config: KernelConfig,
): Cost | null {
  const { speed } = device;
  if (cost === undefined || speed === null || rows.length === 0) return null;
  const launch = launchOf(forms, params, config);
  const timesOn = (of: Speed): readonly LaunchTime[] | null => {
    const launches: LaunchTime[] = [];
    for (const count of rows) {
      const launched = { rows: count, scalars: scalars?.get(count), launch, device, speed: of };
      const counts = cost(params, config, launched);
      const time = counts === null ? undefined : timeOf(counts, launched);
      if (time === undefined) return null;
      launches.push(time);
    }
    return launches;
  };
  const launches = timesOn(speed);
  if (launches === null) return null;
  const { others = [] } = speed;
  let product = secondsOf(launches);
  for (const other of others) product *= secondsOf(timesOn(other) ?? []);
  // A factor less here is a factor more there, however long the slower one takes.
  return { seconds: others.length === 0 ? product : product ** (1 / (1 + others.length)), launches };
}

function secondsOf(launches: readonly LaunchTime[]): number {
  return launches.reduce((sum, { seconds }) => sum + seconds, 0);
}

/**
 * Every config that a family has for a problem: those that it prefers, and all of the forms that the device has what they need for.
 */
export function considered<P>(problem: Problem<P>, templates: KernelTemplates<P>): readonly KernelConfig[] {
  const preferred = templates.configs(problem);
  const runs = (config: KernelConfig) =>
    needsOf(templates.forms, config).every((feature) => hasFeature(problem.device, feature));
  return [
    ...preferred.filter((config) => !runs(config)),
    ...everyConfig(templates.forms, preferred.filter(runs)),
  ];
}

/** Why a device takes no kernel with a config; null where it takes it. */
export function rejection<P>(
  { params, device }: Pick<Problem<P>, "params" | "device">,
  { forms }: Pick<KernelTemplates<P>, "forms">,
  config: KernelConfig,
): string | null {
  const lacking = needsOf(forms, config).filter((feature) => !hasFeature(device, feature));
  if (lacking.length > 0) return `needs ${lacking.join(" and ")}`;
  const fault = faultOf(forms, params, config);
  if (fault !== undefined) return fault;
  return excessOf(launchOf(forms, params, config), device);
}

/** A candidate for a grid of tiles that it shares with other kernels. */
export function inTile<P>(candidate: Candidate, forms: Forms<P>, params: P, tile: Tile): Candidate {
  if (candidate.rejected !== null) return candidate;
  const { tile: own } = launchOf(forms, params, candidate.config);
  if (String(own) === String(tile)) return candidate;
  const [columns, rows] = tile;
  return {
    ...candidate,
    cost: null,
    rejected: `not of the tiles of the grid that it shares: ${columns} x ${rows}`,
  };
}

/** What a launch takes more of than the device has. */
function excessOf(launch: LaunchShape, device: DeviceKind): string | null {
  const { workgroup, sharedBytes } = launch;
  const threads = workgroup[0] * workgroup[1] * workgroup[2];
  if (threads > device.threads) return `${threads} threads, and the device has ${device.threads}`;
  if (sharedBytes > device.sharedBytes) {
    return `${sharedBytes} bytes of shared memory, and the device has ${device.sharedBytes}`;
  }
  return (device.cuda === null ? undefined : occupancyFault(launch, device.cuda.facts)) ?? null;
}
