import { TritcError } from "../errors.js";

/** Where something is, as text that is only made for an error. */
export type Place = string | (() => string);

/** TRITC_E_PROGRAM: an invariant of `verifyProgram` that does not hold, and where. */
export function programError(
  place: Place,
  message: string,
  details: { readonly expected?: string; readonly found?: string } = {},
): TritcError {
  return new TritcError({
    code: "TRITC_E_PROGRAM",
    message,
    place: typeof place === "string" ? place : place(),
    ...details,
    remedy:
      "compile the model again, or download the bundle again; if the same happens, it is a bug in tritc: report it",
  });
}
