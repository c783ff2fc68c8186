import { TritcError } from "../../ir/errors.js";

/** The device reported an error while it worked on `place`. */
export function deviceError(place: string, error: GPUError | Error, remedy?: string): TritcError {
  const memory = "GPUOutOfMemoryError" in globalThis && error instanceof GPUOutOfMemoryError;
  return new TritcError({
    code: memory ? "TRITC_E_WEBGPU_MEMORY" : "TRITC_E_WEBGPU",
    message: memory ? "the WebGPU device is out of memory" : "the WebGPU device reported an error",
    place,
    found: error.message,
    remedy:
      remedy ??
      (memory
        ? "use a smaller resolution, or the cpu target"
        : "report it with the bundle's manifest: kernels and launches are verified before they run"),
    cause: error,
  });
}

/** TRITC_E_WEBGPU_LOST, with what the device gave as the reason, and what it was doing if that is known. */
export function lostError(reason: string, place?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_WEBGPU_LOST",
    message: "the WebGPU device was lost",
    ...(place === undefined ? {} : { place }),
    found: reason,
    remedy: "load the bundle again; if it happens again, use a smaller resolution or the cpu target",
  });
}

/**
 * Runs `work` under error scopes and throws what they caught.
 * Errors of `work` itself come first; the scopes are popped in any case.
 */
export async function scoped<T>(device: GPUDevice, place: string, work: () => T | Promise<T>): Promise<T> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  let result: T;
  let pending: readonly Promise<GPUError | null>[] = [];
  try {
    result = await work();
  } finally {
    pending = [device.popErrorScope(), device.popErrorScope()];
  }
  for (const error of await Promise.all(pending)) if (error !== null) throw deviceError(place, error);
  return result;
}
