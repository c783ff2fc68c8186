import { TritcError } from "../../ir/errors.js";
import type { PlanLimits } from "../../targets/target.js";
import type { Device, LoadedProgram } from "../device.js";
import { type DeviceWork, oneAtATime } from "../one-at-a-time.js";
import { checkStallSeconds } from "../stall.js";
import { compileKernels } from "./compile-kernels.js";
import { lostError } from "./errors.js";
import { kernelFeatures } from "./features.js";
import { PassClock } from "./pass-clock.js";
import { WebGpuProgram } from "./program.js";
import { QueueWatch } from "./queue-watch.js";

export interface WebGpuOptions {
  /**
   * Whether kernels for real GPUs run; by default not on an adapter that runs on the CPU, which is faster with their
   * fallbacks.
   */
  readonly hardware?: boolean;
  /** Features not to use even where the device has them. */
  readonly without?: readonly string[];
  /** Lower limits than the device's, to see how launches are cut. */
  readonly limits?: Partial<PlanLimits>;
  /** Seconds without any progress after which the device is given up; default 60. */
  readonly stallSeconds?: number | undefined;
  /** Whether programs are to say by the device's own clock how long they take, where it has one (`timestamp-query`). */
  readonly timing?: boolean | undefined;
  /** What becomes of a device whose kernel does not end; default: it is destroyed. */
  readonly giveUp?: (device: GPUDevice) => void;
}

/** Optional features that kernels may use. */
const OPTIONAL_FEATURES = [
  "shader-f16",
  "subgroups",
  // Dawn's own, which it has only where it is asked for unsafe APIs.
  "chromium-experimental-subgroup-matrix" as GPUFeatureName,
] as const;
/** Asked for where times are wanted alone: devices may be slower with it. */
const TIMING: GPUFeatureName = "timestamp-query";
/** Limits worth having more of than the default. */
const RAISED_LIMITS = ["maxBufferSize", "maxStorageBufferBindingSize"] as const;

/**
 * A device on an adapter: `navigator.gpu.requestAdapter()` in a browser, `openAdapter()` in Node.
 *
 * @throws TritcError `TRITC_E_WEBGPU` where the adapter gives no device
 */
export async function createWebGpuDevice(adapter: GPUAdapter, options: WebGpuOptions = {}): Promise<Device> {
  const { info, limits } = adapter;
  const stallSeconds = checkStallSeconds(options.stallSeconds);
  const device = await adapter
    .requestDevice({
      label: "tritc",
      requiredFeatures: [...OPTIONAL_FEATURES, ...(options.timing === true ? [TIMING] : [])].filter(
        (feature) => adapter.features.has(feature),
      ),
      requiredLimits: Object.fromEntries(RAISED_LIMITS.map((name) => [name, limits[name]])),
    })
    .catch((cause: unknown) => {
      throw new TritcError({
        code: "TRITC_E_WEBGPU",
        message: "the WebGPU adapter gives no device",
        found: cause instanceof Error ? cause.message : String(cause),
        remedy: "close other programs that use the GPU, or use the cpu target",
        cause,
      });
    });
  let lost: string | undefined;
  void device.lost.then(({ reason, message }) => {
    lost = `${reason}: ${message}`;
  });
  // Errors outside any scope come from work that no caller waits for; the next call reports them.
  device.addEventListener("uncapturederror", ({ error }) => {
    lost ??= error.message;
  });
  const detected = await kernelFeatures(device, info, options.hardware ?? !info.isFallbackAdapter);
  const features = new Set([...detected].filter((feature) => !options.without?.includes(feature)));
  const planLimits: PlanLimits = {
    maxBindingBytes: device.limits.maxStorageBufferBindingSize,
    maxWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
    ...options.limits,
  };
  const queue = new QueueWatch(device, stallSeconds, options.giveUp ?? ((stalled) => stalled.destroy()));
  const clock = device.features.has(TIMING) ? new PassClock(device, queue) : undefined;
  const description = info.description || [info.vendor, info.architecture, info.device].join(" ").trim();
  const work: DeviceWork<WebGpuProgram> = {
    kind: "webgpu",
    description: description || "WebGPU",
    has: (feature) => features.has(feature),
    async load(program, code, weights, options) {
      queue.throwIfStalled();
      if (lost !== undefined) throw lostError(lost);
      const kernels = await compileKernels(device, features, program, code);
      const host = { device, limits: planLimits, queue, clock, lost: () => lost };
      const loaded = new WebGpuProgram(host, program, kernels, weights, options);
      try {
        await loaded.load();
      } catch (error) {
        await loaded.close();
        throw error;
      }
      return loaded;
    },
    async close() {
      if (!queue.isStalled) device.destroy();
    },
  };
  return oneAtATime(
    work,
    (loaded, turns): Pick<LoadedProgram, "timed"> =>
      clock === undefined ? {} : { timed: (phases, step) => turns.take(() => loaded.timed(phases, step)) },
  );
}
