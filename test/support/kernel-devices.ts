import { afterAll, beforeAll } from "vitest";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { cpu, type Target, webgpu } from "../../targets/index.js";

/** Devices of one target that must agree, the first one to unpack weights on. */
export interface KernelDevices {
  readonly target: Target;
  /** By name; made before the tests run. */
  devices(): Readonly<Record<string, Device>>;
  /** Whether they agree to the bit, not only within the tolerance. */
  readonly sameBits: boolean;
}

/** The cpu target on one thread, on two, and without relaxed SIMD. Call it at the top of a test file. */
export function wasmDevices(): KernelDevices {
  const make = {
    one: () => createNodeCpuDevice({ threads: 1 }),
    two: () => createNodeCpuDevice({ threads: 2 }),
    plain: () => createNodeCpuDevice({ threads: 1, features: new Set() }),
  };
  return { target: cpu, devices: forThisFile(make), sameBits: true };
}

/**
 * The software adapter twice: with the kernels for CPU adapters that it takes by itself, and with those for GPUs.
 * Call it at the top of a test file.
 */
export function wgslDevices(): KernelDevices {
  const make = {
    plain: () => createNodeWebGpuDevice({ software: "always", hardware: false }),
    hardware: () => createNodeWebGpuDevice({ software: "always", hardware: true }),
  };
  return { target: webgpu, devices: forThisFile(make), sameBits: false };
}

/** Opens the devices before the file's tests and closes them after. */
function forThisFile(make: Readonly<Record<string, () => Promise<Device>>>): KernelDevices["devices"] {
  const devices: Record<string, Device> = {};
  beforeAll(async () => {
    for (const [name, open] of Object.entries(make)) devices[name] = await open();
  });
  afterAll(async () => {
    for (const device of Object.values(devices)) await device.close();
  });
  return () => devices;
}
