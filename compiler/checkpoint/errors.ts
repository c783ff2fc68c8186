import { TritcError } from "../../ir/errors.js";

/** What is wrong with a Diffusers folder or a checkpoint. */
export interface CheckpointProblem {
  /** File, and tensor or key where there is one. */
  readonly place: string;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
}

/** A TRITC_E_CHECKPOINT. */
export function checkpointError(problem: CheckpointProblem): TritcError {
  return new TritcError({
    code: "TRITC_E_CHECKPOINT",
    remedy: "give the folder of a FLUX.1 transformer as Diffusers saves it, with all of its files",
    ...problem,
  });
}

/** The first few of a list, and how many more there are. */
export function someOf(names: readonly string[], most = 4): string {
  const rest = names.length - most;
  return names.slice(0, most).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
