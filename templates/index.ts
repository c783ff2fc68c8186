import type { Dim } from "../ir/dim.js";
import { FAMILIES, type FamilyName as Family, type FamilyParams } from "../ir/families/index.js";
import type { GridAxis, KernelConfig } from "../ir/program/program.js";
import type { Target } from "../targets/target.js";
import { candidatesOf } from "./choice/choose.js";
import type { Candidate } from "./choice/consider.js";
import type { Problem } from "./choice/problem.js";
import { define, fittingConfigs, type Measured } from "./define.js";
import { TEMPLATES } from "./families.js";
import type { KernelDefinition } from "./kernel-definition.js";

export type { FamilyName as Family, FamilyParams } from "../ir/families/index.js";
export type { Measured } from "./define.js";
export type { KernelDefinition } from "./kernel-definition.js";

/**
 * The kernel of a family with these parameters for a target, whose launches have so many rows, and by rows these scalars. Throws
 * `TRITC_E_KERNEL` where there is none.
 */
export function defineKernel<F extends Family>(
  family: F,
  params: FamilyParams[F],
  target: Target,
  rows: readonly number[] = [],
  measured?: Measured,
  scalars?: Problem["scalars"],
): KernelDefinition {
  const problem = { family, params, rows, scalars };
  return define(problem, FAMILIES[family], TEMPLATES[family][target.language], target, measured);
}

/** The grid of a launch over these sizes: columns (or heads, or elements), rows, batch. */
export function gridOf(definition: KernelDefinition, sizes: readonly [Dim, Dim, Dim]): readonly GridAxis[] {
  return sizes.map((size, axis) => ({ size, tile: definition.tile[axis] ?? 1 }));
}

/** What launches of a kernel run on. */
export interface Circumstances extends Pick<Problem, "device" | "rows" | "scalars"> {
  readonly target: Target;
}

/**
 * Every config that devices of a kind take for a kernel of a family: the cheapest by the cost model first; where costs are not known,
 * as the family prefers them.
 */
export function configsFor<F extends Family>(
  family: F,
  params: FamilyParams[F],
  { target, ...launches }: Circumstances,
): readonly KernelConfig[] {
  return fittingConfigs({ family, params, ...launches }, TEMPLATES[family][target.language]);
}

/** What the cost model says of each config that is considered for a kernel of a family, those that the family prefers first. */
export function costsFor<F extends Family>(
  family: F,
  params: FamilyParams[F],
  { target, ...launches }: Circumstances,
): readonly Candidate[] {
  return candidatesOf({ family, params, ...launches }, TEMPLATES[family][target.language]);
}
