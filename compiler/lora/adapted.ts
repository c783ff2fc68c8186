import type { ValueId } from "../../ir/graph/graph.js";

/** Rows of a linear's weight and bias, or the scale of a norm, that have a role of their own. */
export interface RowRange {
  /** Result of the linear or norm. */
  readonly node: ValueId;
  readonly start: number;
  readonly count: number;
}

/** A module that an adapter may be for, by the roles of its rows. */
export interface AdaptedModule {
  readonly kind: "linear" | "norm";
  readonly roles: readonly string[];
}

/** What a name of an adapter's module stands for. */
export type Resolved =
  /** `name` is the module's own, dots and all, as patterns of PEFT see it. */
  | { readonly is: "module"; readonly name: string; readonly module: AdaptedModule }
  /** A block or an embedder of the family that this model does not have. */
  | { readonly is: "absent" }
  /** Part of a text encoder, a VAE or the like. */
  | { readonly is: "elsewhere" }
  | { readonly is: "unknown" };
