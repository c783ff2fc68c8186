import { targetForDevice } from "../../../targets/cuda/for-device.js";
import { CudaContext, type CudaDeviceInfo, listDevices } from "./context.js";
import { CudaDriver } from "./driver.js";

/** A device with what is known of it without a program. */
export interface SurveyedDevice extends CudaDeviceInfo {
  /** Free bytes now, counting what all processes hold. */
  readonly freeBytes: number;
  /** The target to compile for; null where no target has kernels for it. */
  readonly target: string | null;
}

/**
 * The devices of the driver, the system's or the one at a path. Throws TRITC_E_CUDA_DRIVER without one, TRITC_E_CUDA
 * where a device does not answer.
 */
export async function surveyCuda(
  path?: string,
): Promise<{ readonly driverVersion: string; readonly devices: readonly SurveyedDevice[] }> {
  const driver = await CudaDriver.load(path);
  const devices = listDevices(driver).map((info): SurveyedDevice => {
    const context = new CudaContext(driver, info);
    try {
      const target = targetForDevice(info.name, info.major, info.minor);
      return { ...info, freeBytes: context.memory().free, target };
    } finally {
      context.close();
    }
  });
  return { driverVersion: driver.versionText, devices };
}
