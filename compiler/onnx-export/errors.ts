import { TritcError } from "../../ir/errors.js";

/** The graph holds what is not written as standard ONNX operators. */
export function refuseExport(message: string, found: string, place?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_UNSUPPORTED_OP",
    message,
    ...(place === undefined ? {} : { place }),
    expected: "operations with a form in standard ONNX operators",
    found,
    remedy: "export the source model again without them",
  });
}

/** Options that do not go together. */
export function usage(message: string, expected: string, found: string, remedy: string): TritcError {
  return new TritcError({ code: "TRITC_E_USAGE", message, expected, found, remedy, exitCode: 2 });
}
