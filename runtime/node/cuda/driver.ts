import { importOptional } from "../optional-package.js";
import { C_TYPES, CALLS, type CallArguments, type CallName } from "./api.js";
import { type CudaFailure, cudaError, driverError, type Place } from "./errors.js";

type Koffi = typeof import("koffi")["default"];
type NativeCall = (...args: readonly unknown[]) => number;
interface AsyncCall extends NativeCall {
  readonly async: (...args: readonly unknown[]) => void;
}

/** Calls that return when the device has done something. */
export type WaitingCall = "cuStreamSynchronize" | "cuEventSynchronize";

/** Tensor maps, streams captured into graphs and binaries of current compilers need it. */
const OLDEST_CUDA = 12_000;

/**
 * Drivers that were loaded, by path, kept for good: contexts live as long as the process, and koffi closes a library
 * once its handle is collected.
 */
const drivers = new Map<string, Promise<CudaDriver>>();

/** The CUDA driver, its entry points bound. */
export class CudaDriver {
  readonly #koffi: Koffi;
  readonly #calls: ReadonlyMap<CallName, AsyncCall>;
  /** Keeps the library loaded. */
  readonly library: unknown;
  /** The CUDA version that the driver supports: 12.4 is 12040. */
  readonly version: number;

  private constructor(koffi: Koffi, library: unknown, calls: ReadonlyMap<CallName, AsyncCall>) {
    this.#koffi = koffi;
    this.library = library;
    this.#calls = calls;
    const version = new Int32Array(1);
    this.call("the CUDA driver", "cuDriverGetVersion", version);
    this.version = version[0] ?? 0;
    if (this.version < OLDEST_CUDA) {
      throw driverError("the NVIDIA driver is too old", {
        expected: `a driver for CUDA ${versionText(OLDEST_CUDA)} or newer`,
        found: `a driver for CUDA ${versionText(this.version)}`,
        remedy: "update the NVIDIA driver",
      });
    }
  }

  /**
   * The driver of the system, or the library at `path`. Throws TRITC_E_CUDA_DRIVER where there is none that can be
   * used.
   */
  static load(path: string = defaultLibrary()): Promise<CudaDriver> {
    const known = drivers.get(path);
    if (known !== undefined) return known;
    const loaded = CudaDriver.#load(path);
    drivers.set(path, loaded);
    // What is missing may be installed before the next call.
    loaded.catch(() => drivers.delete(path));
    return loaded;
  }

  static async #load(path: string): Promise<CudaDriver> {
    const { default: koffi } = await importOptional("koffi", () => import("koffi"));
    const library = openLibrary(koffi, path);
    const calls = new Map<CallName, AsyncCall>();
    for (const [name, parameters] of Object.entries(CALLS) as [
      CallName,
      readonly (keyof typeof C_TYPES)[],
    ][]) {
      const types = parameters.map((parameter) => C_TYPES[parameter]);
      try {
        calls.set(name, library.func(name, "int", types));
      } catch (cause) {
        const remedy = "update the NVIDIA driver";
        throw driverError("the NVIDIA driver is too old", { expected: name, found: path, remedy }, cause);
      }
    }
    return new CudaDriver(koffi, library, calls);
  }

  /** The CUDA version that the driver supports, as `12.4`. */
  get versionText(): string {
    return versionText(this.version);
  }

  /** Calls the driver and returns its result. */
  result<N extends CallName>(name: N, ...args: CallArguments<N>): number {
    return this.#native(name)(...args);
  }

  /** Calls the driver; throws TRITC_E_CUDA with CUDA's own name of the error, the call and the place. */
  call<N extends CallName>(place: Place, name: N, ...args: CallArguments<N>): void {
    const result = this.result(name, ...args);
    if (result !== 0) throw cudaError(this.failure(result, name, place));
  }

  /** The same for a call that gives a handle in its first argument. */
  create(place: Place, name: "cuStreamCreate" | "cuEventCreate", flags: number): bigint {
    const handle = new BigUint64Array(1);
    this.call(place, name, handle, flags);
    return handle[0] ?? 0n;
  }

  /** Waits on another thread, so that this one stays free for events. Gives the result of the work waited for. */
  async waitElsewhere(name: WaitingCall, handle: bigint): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#native(name).async(handle, (error: unknown, result: number) => {
        if (error === null || error === undefined) resolve(result);
        else reject(error);
      });
    });
  }

  /** What the driver says about a result. */
  failure(result: number, call: CallName, place: Place): CudaFailure {
    return {
      result,
      name: this.#text("cuGetErrorName", result),
      text: this.#text("cuGetErrorString", result),
      call,
      place,
    };
  }

  /** Address of host memory; it stays the same as long as the memory is referenced. */
  addressOf(memory: ArrayBufferView): bigint {
    return BigInt(this.#koffi.address(memory));
  }

  /** Host memory that the driver allocated, as bytes. */
  view(address: bigint, bytes: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#koffi.view(address, bytes));
  }

  #native(name: CallName): AsyncCall {
    const call = this.#calls.get(name);
    if (call === undefined) throw new RangeError(`${name} is not bound`);
    return call;
  }

  #text(call: "cuGetErrorName" | "cuGetErrorString", result: number): string {
    const text = new BigUint64Array(1);
    const address = this.result(call, result, text) === 0 ? (text[0] ?? 0n) : 0n;
    return address === 0n ? "an unknown error" : this.#koffi.decode.string(address);
  }
}

/** 12040 is 12.4. */
function versionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

function defaultLibrary(): string {
  const named = process.env.TRITC_CUDA_DRIVER;
  if (named !== undefined && named !== "") return named;
  return process.platform === "win32" ? "nvcuda.dll" : "libcuda.so.1";
}

function openLibrary(koffi: Koffi, path: string): ReturnType<Koffi["load"]> {
  try {
    return koffi.load(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw driverError(
      "there is no NVIDIA driver",
      {
        found: `${path}: ${reason.replace("Failed to load shared library: ", "")}`,
        remedy: "install the NVIDIA driver of the GPU, or compile for the target webgpu or cpu",
      },
      cause,
    );
  }
}
