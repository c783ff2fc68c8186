import { TritcError } from "../../ir/errors.js";
import type { Language } from "../../ir/program/program.js";
import { findTarget } from "../../targets/index.js";
import type { Device } from "../device.js";

export interface OpenDeviceOptions {
  /** Threads of the cpu device; all cores if absent. */
  readonly threads?: number | undefined;
  /** cpu, webgpu: seconds without any progress after which a run is given up; 60 if absent. */
  readonly stallSeconds?: number | undefined;
  /** webgpu: the software adapter even where there is a GPU. */
  readonly software?: boolean | undefined;
  /** webgpu: whether programs are to say how long they take (`timed`); CUDA's always do. */
  readonly timing?: boolean | undefined;
  /** CUDA: which of the driver's devices; the first if absent. `CUDA_VISIBLE_DEVICES` chooses and orders them. */
  readonly device?: number | undefined;
}

/** Modules load on demand: cpu needs no package. */
const OPENERS: Readonly<Record<Language, (options: OpenDeviceOptions) => Promise<Device>>> = {
  async wat({ threads, stallSeconds }) {
    const { createNodeCpuDevice } = await import("./cpu.js");
    return createNodeCpuDevice({ threads, stallSeconds });
  },
  async wgsl({ software, stallSeconds, timing }) {
    const { createNodeWebGpuDevice } = await import("./webgpu-device.js");
    return createNodeWebGpuDevice({ software: software === true ? "always" : "auto", stallSeconds, timing });
  },
  async cuda({ device }) {
    const { createNodeCudaDevice } = await import("./cuda/device.js");
    return createNodeCudaDevice(device === undefined ? {} : { device });
  },
};

/** The device that runs programs compiled for a target. */
export async function openDevice(target: string, options: OpenDeviceOptions = {}): Promise<Device> {
  const language = findTarget(target)?.language;
  if (language !== undefined) return OPENERS[language](options);
  throw new TritcError({
    code: "TRITC_E_TARGET",
    message: "this runtime has no device for the bundle's target",
    expected: "cpu, webgpu or a CUDA target",
    found: target,
    remedy: "install a newer tritc, or compile the model for another target",
  });
}
