import { TritcError } from "../../../ir/errors.js";
import { targetForDevice } from "../../../targets/cuda/for-device.js";
import { findTarget } from "../../../targets/index.js";
import { CUDA_ERROR_OUT_OF_MEMORY } from "./api.js";

/** What an error is about, as text that is only made for an error. */
export type Place = string | (() => string);

export function placeText(place: Place): string {
  return typeof place === "string" ? place : place();
}

/** What the driver said. */
export interface CudaFailure {
  /** The CUresult. */
  readonly result: number;
  /** CUDA's name of it. */
  readonly name: string;
  /** CUDA's sentence about it. */
  readonly text: string;
  readonly call: string;
  readonly place: Place;
}

/** Results that a kernel's own fault gives, at the launch or at any later call: illegal address, trap, time-out, …. */
const KERNEL_FAULTS: ReadonlySet<number> = new Set([700, 701, 702, 714, 715, 716, 717, 718, 719, 720]);

/**
 * TRITC_E_CUDA, or TRITC_E_CUDA_MEMORY where memory is short.
 *
 * @param detail what CUDA does not say
 * @param alone whether `place` is a launch that was waited for, so that a fault is its own
 */
export function cudaError(
  { result, name, text, call, place }: CudaFailure,
  { detail, alone = false }: { readonly detail?: string | undefined; readonly alone?: boolean } = {},
): TritcError {
  const memory = result === CUDA_ERROR_OUT_OF_MEMORY;
  return new TritcError({
    code: memory ? "TRITC_E_CUDA_MEMORY" : "TRITC_E_CUDA",
    message: memory ? "the CUDA device is out of memory" : "the CUDA driver reported an error",
    place: placeText(place),
    found: `${call}: ${name} (${result}), ${text}${detail === undefined ? "" : `; ${detail}`}`,
    remedy: memory
      ? "use a smaller resolution, close other programs on the GPU, or use a GPU with more memory"
      : remedyFor(result, alone),
  });
}

function remedyFor(result: number, alone: boolean): string {
  if (!KERNEL_FAULTS.has(result)) return "run `tritc doctor`; update the NVIDIA driver if it is old";
  return alone
    ? "this is a defect of the kernel: please report it with the bundle's manifest"
    : "run it again with TRITC_CUDA_SYNC=1 in the environment: the error then names the launch that caused it";
}

/** Whether the environment asks to wait for each launch, so that an error is that launch's. */
export function synchronous(): boolean {
  const value = process.env.TRITC_CUDA_SYNC;
  return value !== undefined && value !== "" && value !== "0";
}

/** TRITC_E_CUDA_DRIVER: there is no driver, or not one that can be used. */
export function driverError(
  message: string,
  details: { readonly expected?: string; readonly found?: string; readonly remedy: string },
  cause?: unknown,
): TritcError {
  return new TritcError({ code: "TRITC_E_CUDA_DRIVER", message, ...details, cause });
}

/** A device as messages name it. */
export interface DeviceIdentity {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** CUDA version that the driver supports, as `12.4`. */
  readonly driverVersion: string;
}

/** TRITC_E_CUDA_DEVICE: the program has no kernel for the device. */
export function unsupportedDevice(
  program: string,
  kernel: string,
  needs: string,
  device: DeviceIdentity,
): TritcError {
  const { name, major, minor, driverVersion } = device;
  const binaries = findTarget(program)?.cuda?.architectures.join(", ");
  const target = targetForDevice(name, major, minor);
  const compiled = `the target ${program}${binaries === undefined ? "" : ` (${binaries})`}`;
  return new TritcError({
    code: "TRITC_E_CUDA_DEVICE",
    message: "the bundle has no kernels for this GPU",
    place: `kernel ${kernel}`,
    expected: `a GPU of ${compiled}; the kernel needs ${needs}`,
    found: `${name}, compute capability ${major}.${minor}, driver for CUDA ${driverVersion}`,
    remedy:
      target === null
        ? "compile the model for the target webgpu or cpu: no CUDA target has kernels for this GPU"
        : target === program
          ? "update the NVIDIA driver: it does not load binaries that this GPU can run"
          : `compile the model with --target ${target}`,
  });
}

/** TRITC_E_CUDA_LIMIT: a launch that CUDA cannot express. */
export function limitError(place: string, what: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_CUDA_LIMIT",
    message: `${what} is not what a CUDA launch allows`,
    place,
    expected,
    found,
    remedy: "use a smaller resolution, or report it with the bundle's manifest",
  });
}
