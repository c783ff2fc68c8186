import { TritcError } from "../../ir/errors.js";

/** What a network is that is not built, and what is in its place. */
export interface NetworkProblem {
  /** Configuration file, and setting where there is one. */
  readonly place: string;
  readonly message: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy?: string;
}

/** TRITC_E_NETWORK for a text encoder or VAE of a kind that is not built. */
export function networkError(problem: NetworkProblem): TritcError {
  return new TritcError({
    code: "TRITC_E_NETWORK",
    remedy: "export the pipeline to ONNX, and give that folder as --pipeline",
    ...problem,
  });
}
