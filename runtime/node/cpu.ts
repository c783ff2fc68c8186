import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { type CpuDeviceOptions, createCpuDevice } from "../cpu/device.js";
import type { Device } from "../device.js";
import { spawnNodeThread } from "./threads.js";

/** The cpu device in Node; by default with a thread per available core, the calling one included. */
export async function createNodeCpuDevice(
  options: Omit<CpuDeviceOptions, "spawn" | "callerWorks"> = {},
): Promise<Device> {
  // Node 20 has relaxed SIMD behind a flag; later versions have it on and do not know the flag.
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return createCpuDevice({ threads: availableParallelism(), ...options, spawn: spawnNodeThread });
}
