import type { Device } from "../device.js";
import { oneAtATime } from "../one-at-a-time.js";
import { engineFeatures } from "./features.js";
import { loadCpuProgram } from "./program.js";
import type { SpawnThread } from "./threads.js";

export interface CpuDeviceOptions {
  /** Threads in all, the calling one included; default 1. More than one needs `spawn`. */
  readonly threads?: number;
  /** Starts a worker thread; see `spawnWebWorker` and `runtime/node/threads.ts`. Absent: single-threaded. */
  readonly spawn?: SpawnThread;
  /** Kernel features to use; default: those the engine has. An empty set forces the fallback kernels. */
  readonly features?: ReadonlySet<string>;
  /** Whether the calling thread may block; default true. A browser's main thread may not. */
  readonly callerWorks?: boolean;
}

/**
 * WebAssembly SIMD on the CPU. Results do not depend on the number of threads. Where memory cannot be shared with
 * workers (a page that is not cross-origin isolated) it runs on the calling thread.
 */
export async function createCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  const shareable = typeof SharedArrayBuffer !== "undefined";
  const spawn = shareable ? options.spawn : undefined;
  const threads = spawn === undefined ? 1 : Math.max(1, Math.floor(options.threads ?? 1));
  const features = options.features ?? engineFeatures();
  const callerWorks = options.callerWorks ?? true;
  return oneAtATime({
    kind: "cpu",
    description: `WebAssembly, ${threads} thread${threads === 1 ? "" : "s"}${features.has("relaxed-simd") ? ", relaxed SIMD" : ""}`,
    load: (program, code, weights, loadOptions) =>
      loadCpuProgram(program, code, weights, { threads, spawn, callerWorks }, features, loadOptions),
    close: async () => undefined,
  });
}
