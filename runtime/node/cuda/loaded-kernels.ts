import { setImmediate } from "node:timers/promises";
import { TritcError } from "../../../ir/errors.js";
import { allLaunches } from "../../../ir/program/phases.js";
import type { CudaLaunch, Kernel, Program } from "../../../ir/program/program.js";
import { cudaEntry, cudaRunsOn } from "../../../targets/cuda/abi.js";
import type { KernelCode } from "../../device.js";
import {
  CUDA_ERROR_INVALID_IMAGE,
  CUDA_ERROR_INVALID_PTX,
  CUDA_ERROR_NO_BINARY_FOR_GPU,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
  FUNCTION_DYNAMIC_SHARED_BYTES,
} from "./api.js";
import type { CudaContext } from "./context.js";
import { cudaError, unsupportedDevice } from "./errors.js";

/** Dynamic shared memory that a block has without asking. */
const PLAIN_SHARED_BYTES = 48 * 1024;

/** A kernel on the device. */
export interface LoadedKernel {
  /** The variant that was chosen. */
  readonly kernel: Kernel;
  readonly cuda: CudaLaunch;
  readonly module: bigint;
  readonly function: bigint;
  /** Blocks that fit on a multiprocessor at once; null for kernels that are not persistent. */
  readonly blocksPerMultiprocessor: number | null;
  /** Clusters that fit on the device at once; null for persistent kernels without clusters, and for others. */
  readonly activeClusters: number | null;
}

/** The kernels of a program's launches, by the id that launches name. */
export class LoadedKernels {
  readonly #byId = new Map<string, LoadedKernel>();
  readonly #variants = new Map<string, LoadedKernel>();

  private constructor(private readonly context: CudaContext) {}

  /** Loads each kernel as the first of its variants that the device runs and the bundle has a binary for. */
  static async load(context: CudaContext, program: Program, code: KernelCode): Promise<LoadedKernels> {
    const loaded = new LoadedKernels(context);
    const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
    const launches = allLaunches(program);
    try {
      for (const id of new Set(launches.map((launch) => launch.kernel))) {
        loaded.#byId.set(id, loaded.#choose(id, kernels, program.target, code));
        // A module loads in about a millisecond; let events in between them.
        await setImmediate();
        context.enter();
      }
    } catch (error) {
      loaded.unload();
      throw error;
    }
    return loaded;
  }

  get(id: string): LoadedKernel {
    const kernel = this.#byId.get(id);
    if (kernel === undefined) throw new RangeError(`kernel ${id} is not loaded`);
    return kernel;
  }

  unload(): void {
    for (const { module } of this.#variants.values()) this.context.driver.result("cuModuleUnload", module);
    this.#variants.clear();
    this.#byId.clear();
  }

  #choose(id: string, kernels: ReadonlyMap<string, Kernel>, target: string, code: KernelCode): LoadedKernel {
    const { info } = this.context;
    const needs: string[] = [];
    for (let at: string | null = id; at !== null; ) {
      const kernel: Kernel | undefined = kernels.get(at);
      if (kernel === undefined) throw new RangeError(`the program has no kernel ${at}`);
      const known = this.#variants.get(kernel.id);
      if (known !== undefined) return known;
      const { cuda } = kernel;
      if (cuda === null) throw new RangeError(`kernel ${at} is not a CUDA kernel`);
      const runs = kernel.features.every((feature) => cudaRunsOn(feature, info.major, info.minor));
      if (runs && cuda.sharedBytes <= Math.max(info.sharedBytes, PLAIN_SHARED_BYTES)) {
        const loaded = this.#tryLoad(kernel, cuda, code.binary(kernel.id));
        if (loaded !== null) return loaded;
      }
      needs.push(kernel.features.join(" and "));
      at = kernel.fallback;
    }
    throw unsupportedDevice(target, id, needs.join(" or "), info);
  }

  /** Null where the binary holds no code for the device. */
  #tryLoad(kernel: Kernel, cuda: CudaLaunch, binary: Uint8Array<ArrayBuffer>): LoadedKernel | null {
    const { driver } = this.context;
    const place = `kernel ${kernel.id}`;
    // The driver reads the image as 64-bit words.
    const image = binary.byteOffset % 16 === 0 ? binary : binary.slice();
    const handle = new BigUint64Array(1);
    const result = driver.result("cuModuleLoadData", handle, image);
    if (NO_CODE.has(result)) return null;
    const failure = () => driver.failure(result, "cuModuleLoadData", place);
    if (result === CUDA_ERROR_INVALID_IMAGE) throw damaged(kernel, failure().name);
    if (result !== 0) throw cudaError(failure());
    const module = handle[0] ?? 0n;
    try {
      const entry = driver.result("cuModuleGetFunction", handle, module, cudaEntry(kernel));
      if (entry !== 0) throw damaged(kernel, `no function ${cudaEntry(kernel)}`);
      const loaded = this.#configure(kernel, cuda, module, handle[0] ?? 0n);
      this.#variants.set(kernel.id, loaded);
      return loaded;
    } catch (error) {
      driver.result("cuModuleUnload", module);
      throw error;
    }
  }

  #configure(kernel: Kernel, cuda: CudaLaunch, module: bigint, entry: bigint): LoadedKernel {
    const { driver } = this.context;
    const place = `kernel ${kernel.id}`;
    const { sharedBytes } = cuda;
    // A smaller size may need it too, together with the kernel's static arrays.
    if (sharedBytes > 0) {
      driver.call(place, "cuFuncSetAttribute", entry, FUNCTION_DYNAMIC_SHARED_BYTES, sharedBytes);
    }
    let blocksPerMultiprocessor: number | null = null;
    if (cuda.persistent) {
      const blocks = new Int32Array(1);
      const threads = kernel.workgroup.reduce((product, size) => product * size, 1);
      driver.call(place, "cuOccupancyMaxActiveBlocksPerMultiprocessor", blocks, entry, threads, sharedBytes);
      blocksPerMultiprocessor = Math.max(1, blocks[0] ?? 1);
    }
    const activeClusters = cuda.persistent ? this.#clusters(kernel, cuda, entry) : null;
    return { kernel, cuda, module, function: entry, blocksPerMultiprocessor, activeClusters };
  }

  /**
   * How many of a kernel's clusters run at the same time: not all multiprocessors of a GPU can have a part in one, as those of a
   * cluster are neighbours.
   */
  #clusters(kernel: Kernel, { cluster = 1, sharedBytes }: CudaLaunch, entry: bigint): number | null {
    if (cluster === 1) return null;
    const clusters = new Int32Array(1);
    const words = new Uint32Array(LAUNCH_CONFIG_BYTES / 4);
    words.set([cluster, 1, 1, ...kernel.workgroup, sharedBytes]);
    this.context.driver.call(`kernel ${kernel.id}`, "cuOccupancyMaxActiveClusters", clusters, entry, words);
    return Math.max(1, clusters[0] ?? 1);
  }
}

/** Bytes of a CUlaunchConfig: grid, block, shared memory, stream, attributes and their number. */
const LAUNCH_CONFIG_BYTES = 56;

const NO_CODE: ReadonlySet<number> = new Set([
  CUDA_ERROR_NO_BINARY_FOR_GPU,
  CUDA_ERROR_INVALID_PTX,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
]);

function damaged(kernel: Kernel, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message: "the kernel is not a CUDA binary that this driver takes",
    place: `kernels/${kernel.id}.fatbin`,
    found,
    remedy: "compile the model again; if the bundle was downloaded, download it again",
  });
}
