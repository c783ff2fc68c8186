import { TritcError } from "../../ir/errors.js";
import type { Device } from "../device.js";

export interface OpenDeviceOptions {
  /** Threads of the cpu device; all cores if absent. */
  readonly threads?: number | undefined;
  /** webgpu: the software adapter even where there is a GPU. */
  readonly software?: boolean | undefined;
}

/** The device that runs programs compiled for a target. Modules load on demand: cpu needs no WebGPU package. */
export async function openDevice(target: string, options: OpenDeviceOptions = {}): Promise<Device> {
  if (target === "cpu") {
    const { createNodeCpuDevice } = await import("./cpu.js");
    return createNodeCpuDevice(options.threads === undefined ? {} : { threads: options.threads });
  }
  if (target.startsWith("webgpu")) {
    const { createNodeWebGpuDevice } = await import("./webgpu-device.js");
    return createNodeWebGpuDevice({ software: options.software === true ? "always" : "auto" });
  }
  throw new TritcError({
    code: "TRITC_E_TARGET",
    message: "this runtime has no device for the bundle's target",
    expected: "cpu or webgpu",
    found: target,
    remedy: "install a newer tritc, or compile the model for another target",
  });
}
