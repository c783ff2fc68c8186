import { TritcError } from "../../../ir/errors.js";

/** What is wrong with a GGUF file. */
export interface GgufProblem {
  /** The file, and key or tensor where there is one. */
  readonly place: string;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
}

/** A TRITC_E_GGUF. */
export function ggufError(problem: GgufProblem): TritcError {
  return new TritcError({
    code: "TRITC_E_GGUF",
    remedy: "the file is damaged or incomplete; download it again",
    ...problem,
  });
}
