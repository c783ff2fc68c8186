import { checkWhole, MAX_THREADS } from "../../ir/bounds.js";
import type { Device } from "../device.js";
import { oneAtATime } from "../one-at-a-time.js";
import { checkStallSeconds } from "../stall.js";
import { engineFeatures } from "./features.js";
import { loadCpuProgram } from "./program.js";
import { type SpawnThread, ThreadPool } from "./thread-pool.js";

export interface CpuDeviceOptions {
  /** Threads in all, the calling one included; default 1. More than one needs `spawn`. */
  readonly threads?: number | undefined;
  /** Starts a worker thread; see `spawnWebWorker` and `runtime/node/threads.ts`. Absent: single-threaded. */
  readonly spawn?: SpawnThread;
  /** Kernel features to use; default: those the engine has. An empty set forces the fallback kernels. */
  readonly features?: ReadonlySet<string>;
  /** Whether the calling thread may block; default true. A browser's main thread may not. */
  readonly callerWorks?: boolean;
  /** Seconds without any progress after which a run of worker threads is given up; default 60. */
  readonly stallSeconds?: number | undefined;
  /** The most memory a program may take, at most and by default the 4 GiB that WebAssembly can address. */
  readonly memoryBytes?: number;
}

/**
 * WebAssembly SIMD on the CPU. Results do not depend on the number of threads. Where memory cannot be shared with
 * workers (a page that is not cross-origin isolated) it runs on the calling thread.
 */
export async function createCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  const shareable = typeof SharedArrayBuffer !== "undefined";
  const pool = shareable && options.spawn !== undefined ? new ThreadPool(options.spawn) : undefined;
  const threads = checkWhole("threads", options.threads ?? 1, 1, MAX_THREADS);
  const team = {
    threads: pool === undefined ? 1 : threads,
    pool,
    callerWorks: options.callerWorks ?? true,
    stallSeconds: checkStallSeconds(options.stallSeconds),
  };
  const { features = engineFeatures(), memoryBytes } = options;
  return oneAtATime({
    kind: "cpu",
    description: `WebAssembly, ${team.threads} thread${team.threads === 1 ? "" : "s"}${features.has("relaxed-simd") ? ", relaxed SIMD" : ""}`,
    has: (feature) => features.has(feature),
    load: (program, code, weights, loadOptions) =>
      loadCpuProgram(program, code, weights, { team, features, memoryBytes }, loadOptions),
    close: async () => pool?.close(),
  });
}
