import { TritcError } from "../errors.js";

/** TRITC_E_PIPELINE_FILE for a file that does not hold what it should. */
export function malformed(place: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_FILE",
    message: "this file of the pipeline is malformed",
    place,
    expected,
    found,
    remedy: "export or download the pipeline again",
  });
}
