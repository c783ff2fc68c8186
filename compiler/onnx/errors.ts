import { TritcError } from "../../ir/errors.js";
import { OPSETS_READ } from "./opsets.js";

interface Findings {
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
  readonly cause?: unknown;
}

const EXPORT_AGAIN = "export the model again, or check that the download is complete";

/** The bytes are not a protobuf of an ONNX model. */
export function undecodable(place: string, message: string, findings: Findings = {}): TritcError {
  return new TritcError({ code: "TRITC_E_ONNX_DECODE", place, message, remedy: EXPORT_AGAIN, ...findings });
}

/** The model breaks a rule of the ONNX specification. */
export function invalid(place: string, message: string, findings: Findings = {}): TritcError {
  return new TritcError({ code: "TRITC_E_ONNX_INVALID", place, message, remedy: EXPORT_AGAIN, ...findings });
}

/** The values of a tensor don't fit its type or shape. */
export function badTensor(place: string, message: string, findings: Findings = {}): TritcError {
  return new TritcError({ code: "TRITC_E_ONNX_TENSOR", place, message, remedy: EXPORT_AGAIN, ...findings });
}

/** External data that is missing, out of range, or outside the model's directory. */
export function badExternalData(place: string, message: string, findings: Findings = {}): TritcError {
  return new TritcError({
    code: "TRITC_E_ONNX_EXTERNAL_DATA",
    place,
    message,
    remedy: EXPORT_AGAIN,
    ...findings,
  });
}

/** Valid ONNX that this reader does not read. */
export function unsupported(place: string, message: string, findings: Findings = {}): TritcError {
  const remedy = `export with ${OPSETS_READ} and standard operators`;
  return new TritcError({ code: "TRITC_E_ONNX_UNSUPPORTED", place, message, remedy, ...findings });
}

/** fp8, fp4 and QDQ exports: their activations are quantized already. */
export function quantizedExport(place: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_QUANTIZED_EXPORT",
    place,
    message: "this is a quantized export",
    expected: "an export with float activations",
    found,
    remedy: "use the bf16 export",
  });
}
