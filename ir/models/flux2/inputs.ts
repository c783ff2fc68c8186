import { FLUX_INPUTS, REFERENCE_INPUTS } from "../flux/inputs.js";

/** The part each graph input plays in a FLUX.2 transformer. */
export const FLUX2_INPUTS = { ...FLUX_INPUTS, ...REFERENCE_INPUTS } as const;

export type Flux2Input = keyof typeof FLUX2_INPUTS;
