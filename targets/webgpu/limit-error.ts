import { TritcError } from "../../ir/errors.js";

/** A limit of the device that a buffer or a launch exceeds. */
export function limitError(place: string, what: string, found: number, limit: number): TritcError {
  return new TritcError({
    code: "TRITC_E_WEBGPU_LIMIT",
    message: `${what} exceeds what the WebGPU device allows`,
    place,
    expected: `at most ${limit}`,
    found: `${found}`,
    remedy: "use a smaller resolution, a device with higher limits, or the cpu target",
  });
}
