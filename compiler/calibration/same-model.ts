import { TritcError } from "../../ir/errors.js";
import type { ModelDescription } from "../../ir/models/index.js";
import type { CalibrationDescription } from "./description.js";

/** Throws TRITC_E_CALIBRATION where a calibration is not of a model of these blocks and sizes. */
export function requireCalibrationOf(
  model: ModelDescription,
  calibration: CalibrationDescription,
  place: string,
): void {
  const [expected, found] = [model, calibration.model].map(({ roles: _, ...sizes }) => JSON.stringify(sizes));
  if (expected === found) return;
  throw new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "the calibration is of another model",
    place,
    expected: expected ?? "",
    found: found ?? "",
    remedy: "calibrate with the model that is to become ternary",
  });
}
