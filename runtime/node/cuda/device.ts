import { TritcError } from "../../../ir/errors.js";
import { cudaRunsOn } from "../../../targets/cuda/abi.js";
import type { Device, LoadedProgram } from "../../device.js";
import { oneAtATime } from "../../one-at-a-time.js";
import { CudaContext, listDevices } from "./context.js";
import { CudaDriver } from "./driver.js";
import { CudaProgram } from "./program.js";

export interface CudaDeviceOptions {
  /** Path of the driver library; `TRITC_CUDA_DRIVER`, else the system's if absent. */
  readonly driver?: string;
  /** Which of the driver's devices (`CUDA_VISIBLE_DEVICES` chooses and orders them); the first if absent. */
  readonly device?: number;
  /**
   * Waits for every launch, so that an error names the one that caused it; slow. Where absent, as `TRITC_CUDA_SYNC`
   * says.
   */
  readonly synchronous?: boolean;
}

/** A CUDA device, whose programs can say how long each launch takes. */
export interface CudaDevice extends Device {
  load(...args: Parameters<Device["load"]>): Promise<LoadedProgram & Pick<CudaProgram, "profile" | "timed">>;
}

/**
 * A CUDA device through the NVIDIA driver. Several may be open at once, on one GPU too.
 *
 * @throws TritcError `TRITC_E_CUDA_DRIVER` without a driver, `TRITC_E_CUDA_DEVICE` without a GPU
 */
export async function createNodeCudaDevice(options: CudaDeviceOptions = {}): Promise<CudaDevice> {
  const driver = await CudaDriver.load(options.driver);
  const devices = listDevices(driver);
  const ordinal = options.device ?? 0;
  const info = devices[ordinal];
  if (info === undefined) {
    throw new TritcError({
      code: "TRITC_E_CUDA_DEVICE",
      message: devices.length === 0 ? "the NVIDIA driver finds no GPU" : "there is no such CUDA device",
      ...(devices.length === 0 ? {} : { expected: `0 to ${devices.length - 1}`, found: String(ordinal) }),
      remedy:
        devices.length === 0
          ? "check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or compile for the target webgpu or cpu"
          : "run `tritc doctor`, which lists the devices",
    });
  }
  const context = new CudaContext(driver, info);
  const { name, major, minor, memoryBytes } = info;
  return oneAtATime(
    {
      kind: "cuda",
      description: `${name} (compute capability ${major}.${minor}, ${Math.round(memoryBytes / 2 ** 30)} GiB)`,
      has: (feature) => cudaRunsOn(feature, major, minor),
      load: (program, code, weights, { promptWeights } = {}) =>
        CudaProgram.load(context, program, code, weights, { ...options, promptWeights }),
      async close() {
        context.close();
      },
    },
    (program: CudaProgram, turns) => ({
      profile: (phases: readonly string[], step: number) => turns.take(() => program.profile(phases, step)),
      timed: (phases: readonly string[], step: number) => turns.take(() => program.timed(phases, step)),
    }),
  );
}
