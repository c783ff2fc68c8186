import { type ErrorDetails, TritcError } from "../../ir/errors.js";

/** An error of the command line, found before anything was started. */
export function usageError(details: Omit<ErrorDetails, "code" | "exitCode">): TritcError {
  return new TritcError({ code: "TRITC_E_USAGE", exitCode: 2, ...details });
}
