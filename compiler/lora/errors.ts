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
    remedy: "give a LoRA that was trained for this model, as a trainer or Diffusers saves it",
    ...problem,
  });
}

/** The first of several problems with a file's tensors, with the others named. */
export function withOthers(problems: readonly TritcError[], file: string): TritcError {
  const [first, ...others] = problems;
  if (first === undefined) throw new Error("there is no problem");
  if (others.length === 0) return first;
  return new TritcError({
    ...first.details,
    others: others.map(
      ({ details: { place = file, message } }) => `${place.replace(`${file}: `, "")}: ${message}`,
    ),
  });
}
