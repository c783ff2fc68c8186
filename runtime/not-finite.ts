import { TritcError } from "../ir/errors.js";

/** Whose numbers they are, and what to try if one of them is no number. */
export interface FiniteCheck {
  readonly place: string;
  /** What holds the values: "the text encoder's result". */
  readonly what: string;
  readonly remedy: string;
}

/** Throws TRITC_E_NOT_FINITE where a value is NaN or infinite: the first network that makes one is the one to look at. */
export function requireFinite(values: Float32Array, { place, what, remedy }: FiniteCheck): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new TritcError({
    code: "TRITC_E_NOT_FINITE",
    message: `${what} holds NaN or infinite values`,
    place,
    expected: "finite numbers",
    found: `${values[bad]} at ${bad} of ${values.length}`,
    remedy,
  });
}
