import { afterAll, beforeAll } from "vitest";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeCudaDevice } from "../../runtime/node/cuda/device.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { type Architecture, CUDA_TARGETS, cpu, type Target, webgpu } from "../../targets/index.js";
import { emulatedDriver, SCHEDULES, type Schedule } from "./cuda-emulator.js";

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

/**
 * An emulated GPU of an architecture, once per order in which the threads of a block may run. Call it at the top of a
 * test file.
 */
export function cudaDevices(
  architecture: Architecture = "sm_86",
  schedules: readonly Schedule[] = SCHEDULES,
): KernelDevices {
  const target = CUDA_TARGETS.find(
    ({ cuda }) => cuda?.architectures.length === 1 && cuda.architectures[0] === architecture,
  );
  if (target === undefined) throw new Error(`no target is for ${architecture} alone`);
  const make = Object.fromEntries(
    schedules.map((schedule) => [
      schedule,
      async () =>
        createNodeCudaDevice({
          driver: (await emulatedDriver(architecture, schedule)).path,
          synchronous: true,
        }),
    ]),
  );
  return { target, devices: forThisFile(make), sameBits: true };
}

/** The emulated driver is built when it is first opened. */
const OPENING_MS = 180_000;

/** Opens the devices before the file's tests and closes them after. */
function forThisFile(make: Readonly<Record<string, () => Promise<Device>>>): KernelDevices["devices"] {
  const devices: Record<string, Device> = {};
  beforeAll(async () => {
    for (const [name, open] of Object.entries(make)) devices[name] = await open();
  }, OPENING_MS);
  afterAll(async () => {
    for (const device of Object.values(devices)) await device.close();
  });
  return () => devices;
}
