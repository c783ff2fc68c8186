import type { ModelInput } from "../family.js";
import { FLUX_INPUTS, TEXT_VECTOR } from "../flux/inputs.js";

/** The part each graph input plays in a FLUX.1 transformer. */
export const FLUX1_INPUTS = {
  ...FLUX_INPUTS,
  /** [B, pooled_dim] */
  pooled: TEXT_VECTOR,
} as const satisfies Readonly<Record<string, ModelInput>>;

export type Flux1Input = keyof typeof FLUX1_INPUTS;
