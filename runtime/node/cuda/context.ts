import { TritcError } from "../../../ir/errors.js";
import {
  CUDA_ERROR_INVALID_CONTEXT,
  CUDA_ERROR_INVALID_HANDLE,
  CUDA_ERROR_NO_DEVICE,
  CUDA_ERROR_OUT_OF_MEMORY,
  DEVICE_ATTRIBUTE,
  STREAM_NON_BLOCKING,
} from "./api.js";
import type { CudaDriver, WaitingCall } from "./driver.js";
import { cudaError, type DeviceIdentity, driverError, type Place } from "./errors.js";

const MIB = 2 ** 20;

/** What the driver says about a device. */
export interface CudaDeviceInfo extends DeviceIdentity {
  /** Place in the driver's list. */
  readonly ordinal: number;
  readonly multiprocessors: number;
  /** Memory of the device in bytes. */
  readonly memoryBytes: number;
  /** Shared memory that a block may have, in bytes. */
  readonly sharedBytes: number;
}

/** The devices that the driver lists. Throws TRITC_E_CUDA_DRIVER where it does not start. */
export function listDevices(driver: CudaDriver): readonly CudaDeviceInfo[] {
  const started = driver.result("cuInit", 0);
  if (started === CUDA_ERROR_NO_DEVICE) return [];
  if (started !== 0) {
    const { name, text } = driver.failure(started, "cuInit", "the CUDA driver");
    throw driverError("the CUDA driver does not start", {
      found: `${name} (${started}), ${text}`,
      remedy: "install the NVIDIA driver again, and restart the machine if it was just updated",
    });
  }
  const count = new Int32Array(1);
  driver.call("the CUDA driver", "cuDeviceGetCount", count);
  return Array.from({ length: count[0] ?? 0 }, (_, ordinal) => describeDevice(driver, ordinal));
}

function describeDevice(driver: CudaDriver, ordinal: number): CudaDeviceInfo {
  const place = `CUDA device ${ordinal}`;
  const device = deviceHandle(driver, ordinal);
  const name = new Uint8Array(256);
  driver.call(place, "cuDeviceGetName", name, name.length, device);
  const memory = new BigUint64Array(1);
  driver.call(place, "cuDeviceTotalMem_v2", memory, device);
  const attribute = (which: keyof typeof DEVICE_ATTRIBUTE): number => {
    const value = new Int32Array(1);
    driver.call(place, "cuDeviceGetAttribute", value, DEVICE_ATTRIBUTE[which], device);
    return value[0] ?? 0;
  };
  const end = name.indexOf(0);
  return {
    ordinal,
    name: new TextDecoder().decode(name.subarray(0, end < 0 ? name.length : end)),
    major: attribute("major"),
    minor: attribute("minor"),
    multiprocessors: attribute("multiprocessors"),
    memoryBytes: Number(memory[0] ?? 0n),
    sharedBytes: attribute("sharedMemoryPerBlock"),
    driverVersion: driver.versionText,
  };
}

function deviceHandle(driver: CudaDriver, ordinal: number): number {
  const device = new Int32Array(1);
  driver.call(`CUDA device ${ordinal}`, "cuDeviceGet", device, ordinal);
  return device[0] ?? 0;
}

/**
 * A device's primary context, which every user of the device in this process shares. Another one may become the
 * thread's current context during any `await`, so `enter` comes first and again after each of them.
 */
export class CudaContext {
  readonly #device: number;
  readonly #context: bigint;
  #open = true;
  /** Whether the driver refuses to wait on other threads. */
  #blocking = false;

  constructor(
    readonly driver: CudaDriver,
    readonly info: CudaDeviceInfo,
  ) {
    this.#device = deviceHandle(driver, info.ordinal);
    const context = new BigUint64Array(1);
    driver.call(info.name, "cuDevicePrimaryCtxRetain", context, this.#device);
    this.#context = context[0] ?? 0n;
  }

  /** Makes the context current. Throws TRITC_E_CUDA where the device was closed. */
  enter(): void {
    if (!this.#open) {
      throw new TritcError({
        code: "TRITC_E_CUDA",
        message: "the CUDA device was closed",
        place: this.info.name,
        remedy: "close programs before their device, and open a device again to use it",
      });
    }
    this.driver.call(this.info.name, "cuCtxSetCurrent", this.#context);
  }

  /** The same whatever the driver says, to free things after an error. False where the device is closed: everything is freed then. */
  tryEnter(): boolean {
    if (this.#open) this.driver.result("cuCtxSetCurrent", this.#context);
    return this.#open;
  }

  /** Bytes of the device that are free and that it has, in all processes. */
  memory(): { readonly free: number; readonly total: number } {
    this.enter();
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    this.driver.call(this.info.name, "cuMemGetInfo_v2", free, total);
    return { free: Number(free[0] ?? 0n), total: Number(total[0] ?? 0n) };
  }

  /** Device memory, aligned to 256 bytes. Throws TRITC_E_CUDA_MEMORY, which tells how much there is. */
  allocate(bytes: number, what: string): bigint {
    const address = new BigUint64Array(1);
    const result = this.driver.result("cuMemAlloc_v2", address, bytes);
    if (result === 0) return address[0] ?? 0n;
    const detail =
      result === CUDA_ERROR_OUT_OF_MEMORY
        ? `${Math.ceil(bytes / MIB)} MiB wanted, ${this.#freeText()} free`
        : undefined;
    throw cudaError(this.driver.failure(result, "cuMemAlloc_v2", what), { detail });
  }

  /** A stream of its own. */
  createStream(): bigint {
    return this.driver.create(this.info.name, "cuStreamCreate", STREAM_NON_BLOCKING);
  }

  /** Waits for everything in a stream; throws the error that any of it met. */
  async synchronize(stream: bigint, place: Place): Promise<void> {
    const result = await this.wait("cuStreamSynchronize", stream);
    if (result !== 0) throw cudaError(this.driver.failure(result, "cuStreamSynchronize", place));
  }

  /**
   * Waits on another thread, and gives the result of the work waited for. No context is current there; a driver that
   * asks for one is waited for on this thread.
   */
  async wait(call: WaitingCall, handle: bigint): Promise<number> {
    if (!this.#blocking) {
      const result = await this.driver.waitElsewhere(call, handle);
      if (result !== CUDA_ERROR_INVALID_CONTEXT && result !== CUDA_ERROR_INVALID_HANDLE) return result;
      this.#blocking = true;
    }
    this.tryEnter();
    return this.driver.result(call, handle);
  }

  /** Gives the context up; others that use it keep it. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.driver.result("cuDevicePrimaryCtxRelease_v2", this.#device);
  }

  #freeText(): string {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    if (this.driver.result("cuMemGetInfo_v2", free, total) !== 0) return "an unknown part";
    return `${Math.floor(Number(free[0] ?? 0n) / MIB)} of ${Math.floor(Number(total[0] ?? 0n) / MIB)} MiB`;
  }
}
