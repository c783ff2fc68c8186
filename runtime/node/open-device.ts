import { TritcError } from "../../ir/errors.js";
import type { Device } from "../device.js";
import { isCudaTarget } from "./cuda/architectures.js";

export interface OpenDeviceOptions {
  /** Threads of the cpu device; all cores if absent. */
  readonly threads?: number | undefined;
  /** cpu, webgpu: seconds without any progress after which a run is given up; 60 if absent. */
  readonly stallSeconds?: number | undefined;
  /** webgpu: the software adapter even where there is a GPU. */
  readonly software?: boolean | undefined;
  /** CUDA: which of the driver's devices; the first if absent. `CUDA_VISIBLE_DEVICES` chooses and orders them. */
  readonly device?: number | undefined;
}

/** The device that runs programs compiled for a target. Modules load on demand: cpu needs no package. */
export async function openDevice(target: string, options: OpenDeviceOptions = {}): Promise<Device> {
  if (target === "cpu") {
    const { createNodeCpuDevice } = await import("./cpu.js");
    return createNodeCpuDevice({ threads: options.threads, stallSeconds: options.stallSeconds });
  }
  if (target.startsWith("webgpu")) {
    const { createNodeWebGpuDevice } = await import("./webgpu-device.js");
    const software = options.software === true ? "always" : "auto";
    return createNodeWebGpuDevice({ software, stallSeconds: options.stallSeconds });
  }
  if (isCudaTarget(target)) {
    const { createNodeCudaDevice } = await import("./cuda/device.js");
    return createNodeCudaDevice(options.device === undefined ? {} : { device: options.device });
  }
  throw new TritcError({
    code: "TRITC_E_TARGET",
    message: "this runtime has no device for the bundle's target",
    expected: "cpu, webgpu or a CUDA target",
    found: target,
    remedy: "install a newer tritc, or compile the model for another target",
  });
}
