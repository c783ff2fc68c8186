import type { Dim } from "../ir/dim.js";
import type { FamilyName, FamilyParams } from "../ir/families/index.js";
import type { GridAxis } from "../ir/program/program.js";
import type { KernelDefinition } from "./family.js";
import type { KernelTemplates } from "./kernel-templates.js";

/** One language's templates. */
export type KernelColumn = { readonly [F in FamilyName]: KernelTemplates<FamilyParams[F]> };

/** The grid of a launch over these sizes: columns (or heads, or elements), rows, batch. */
export function gridOf(definition: KernelDefinition, sizes: readonly [Dim, Dim, Dim]): readonly GridAxis[] {
  return sizes.map((size, axis) => ({ size, tile: definition.tile[axis] ?? 1 }));
}
