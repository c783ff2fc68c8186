import { TritcError } from "../../ir/errors.js";

/** What is wrong with an adapter. */
export interface LoraProblem {
  /** File, and tensor where there is one. */
  readonly place: string;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
}

/** A TRITC_E_LORA. */
export function loraError(problem: LoraProblem): TritcError {
  return new TritcError({
    code: "TRITC_E_LORA",
    remedy: "give a LoRA that was trained for this FLUX.1 model, as a trainer or Diffusers saves it",
    ...problem,
  });
}
