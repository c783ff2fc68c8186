import koffi from "koffi";
import { afterEach, expect, vi } from "vitest";
import { TritcError } from "../../ir/errors.js";
import {
  type CudaDevice,
  type CudaDeviceOptions,
  createNodeCudaDevice,
} from "../../runtime/node/cuda/device.js";
import { emulatedDriver } from "./cuda-emulator.js";

/** A driver library, and what it is told and asked besides the driver's own calls. */
export interface FakeCuda {
  readonly path: string;
  liveObjects(): number;
  fail(call: string, after: number, result: number): void;
  count(call: string): number;
  deviceBytes(): number;
  reset(): void;
  setDevices(count: number): void;
  setCapability(major: number, minor: number): void;
  setVersion(version: number): void;
  setMemory(bytes: number): void;
  /** Whether calls that wait are refused on threads without a current context. */
  setStrictThreads(strict: number): void;
  /** Opens a device for the time of `work`. */
  withDevice<T>(work: (device: CudaDevice) => Promise<T>, options?: CudaDeviceOptions): Promise<T>;
}

/**
 * The driver of a test file, set back after each test; everything must have been given back by then. Call it at the
 * top of the file.
 */
export async function fakeCuda(): Promise<FakeCuda> {
  const { path } = await emulatedDriver("sm_86", "forward");
  const library = koffi.load(path);
  const fake: FakeCuda = {
    path,
    liveObjects: library.func("int fakeLiveObjects()"),
    fail: library.func("void fakeFail(const char*, int, int)"),
    count: library.func("uint64_t fakeCount(const char*)"),
    deviceBytes: library.func("size_t fakeDeviceBytes()"),
    reset: library.func("void fakeReset()"),
    setDevices: library.func("void fakeSetDevices(int)"),
    setCapability: library.func("void fakeSetCapability(int, int)"),
    setVersion: library.func("void fakeSetVersion(int)"),
    setMemory: library.func("void fakeSetMemory(size_t)"),
    setStrictThreads: library.func("void fakeSetStrictThreads(int)"),
    async withDevice(work, options = {}) {
      const device = await createNodeCudaDevice({ driver: path, ...options });
      try {
        return await work(device);
      } finally {
        await device.close();
      }
    },
  };
  afterEach(() => {
    fake.reset();
    vi.unstubAllEnvs();
    expect(fake.liveObjects()).toBe(0);
  });
  return fake;
}

/** The error that a promise is rejected with. */
export async function failure(of: Promise<unknown>): Promise<TritcError> {
  const error = await of.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TritcError)) throw new Error(`not a TritcError: ${String(error)}`);
  return error;
}
