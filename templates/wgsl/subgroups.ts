import { lanesFeature, SUBGROUP_LANES } from "../../ir/families/launch/features.js";
import type { DeviceKind } from "../../targets/device-kind.js";
import { BARRIER, type Invocation } from "./counts.js";

/** Invocations of a workgroup and of its subgroups. */
export interface SubgroupRow {
  readonly threads: number;
  readonly lanes: number;
}

/** The sizes of subgroups that a kind of devices is known to have, one for all of them. */
export function subgroupSizes({ features }: Pick<DeviceKind, "features">) {
  return SUBGROUP_LANES.filter((lanes) => features.includes(lanesFeature(lanes)));
}

/** Configs of `wgslSubgroupRow` for such devices. */
export function subgroupRows(device: Pick<DeviceKind, "features">) {
  return subgroupSizes(device).map((lanes) => ({ variant: "subgroup", threads: 64, lanes }) as const);
}

/** A sum or maximum over a subgroup. */
export function subgroupFold(lanes: number): Invocation {
  return { other: 2 * Math.log2(lanes) };
}

/** A sum or maximum over a row: see `wgsl/subgroup-row.wgsl.hbs`. */
export function subgroupRowFold({ threads, lanes }: SubgroupRow): Invocation {
  const parts = threads / lanes;
  return { other: 2 * Math.log2(lanes) + 2 * BARRIER + 6 + 3 * parts, shared: [[parts + 1, 1]] };
}
