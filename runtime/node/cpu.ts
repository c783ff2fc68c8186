import { availableParallelism, totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { MAX_THREADS } from "../../ir/bounds.js";
import { type CpuDeviceOptions, createCpuDevice } from "../cpu/device.js";
import type { Device } from "../device.js";
import { spawnNodeThread } from "./threads.js";

/** The cpu device in Node, by default with a thread per available core. The calling thread stays free for events. */
export async function createNodeCpuDevice(
  options: Omit<CpuDeviceOptions, "spawn" | "callerWorks"> = {},
): Promise<Device> {
  // Node 20 has relaxed SIMD behind a flag; later versions have it on and do not know the flag.
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return createCpuDevice({
    ...options,
    threads: options.threads ?? Math.min(availableParallelism(), MAX_THREADS),
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY, 2 ** 32),
    spawn: spawnNodeThread,
    callerWorks: false,
  });
}
