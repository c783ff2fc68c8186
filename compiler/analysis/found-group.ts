import type { GroupSize } from "../../ir/ternary/groups.js";

/** The form that holds a weight without loss: the largest groups of inputs that each hold {-s, 0, s} alone. */
export interface LosslessGroup {
  /** Null: whole rows. */
  readonly group: GroupSize | null;
  /** The narrowest float type that holds every scale as it is. */
  readonly scales: "f16" | "bf16" | "f32";
}
