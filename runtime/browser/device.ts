import { TritcError } from "../../ir/errors.js";
import { cpu } from "../../targets/cpu/index.js";
import { webgpu } from "../../targets/webgpu/index.js";
import { createCpuDevice } from "../cpu/device.js";
import { spawnWebWorker } from "../cpu/web-worker.js";
import type { Device } from "../device.js";
import { createWebGpuDevice } from "../webgpu/device.js";
import { yieldingDevice } from "./yielding-device.js";

export interface BrowserDeviceOptions {
  /** cpu: threads; all cores if absent, and always 1 where the page is not cross-origin isolated. */
  readonly threads?: number | undefined;
  /** webgpu: which GPU of several; the fast one if absent. */
  readonly powerPreference?: GPUPowerPreference | undefined;
  /** Seconds without any progress after which a run is given up; 60 if absent. A page's own thread runs without. */
  readonly stallSeconds?: number | undefined;
}

/** Targets that can run on this page, the fastest first: what to choose a bundle by. */
export async function browserTargets(): Promise<readonly ("webgpu" | "cpu")[]> {
  const adapter = await gpuOfPage()
    ?.requestAdapter({ powerPreference: "high-performance" })
    .catch(() => null);
  // A software adapter is slower than the cpu target.
  return adapter == null || adapter.info.isFallbackAdapter ? ["cpu"] : ["webgpu", "cpu"];
}

/**
 * The device that runs programs compiled for `target` on this page or in this worker.
 *
 * @throws TritcError `TRITC_E_NO_ADAPTER` where WebGPU is absent, `TRITC_E_TARGET` for targets without a browser device
 */
export async function openBrowserDevice(target: string, options: BrowserDeviceOptions = {}): Promise<Device> {
  if (target === cpu.name) return openCpu(options);
  if (target === webgpu.name) return openWebGpu(options);
  throw new TritcError({
    code: "TRITC_E_TARGET",
    message: "the browser runtime has no device for the bundle's target",
    expected: "cpu or webgpu",
    found: target,
    remedy: "compile the model with --target webgpu or --target cpu",
  });
}

async function openCpu({ threads: requested, stallSeconds }: BrowserDeviceOptions): Promise<Device> {
  // Only an isolated page may send shared memory to its workers.
  const isolated = globalThis.crossOriginIsolated === true;
  const threads = isolated ? (requested ?? navigator.hardwareConcurrency ?? 1) : 1;
  // A page may not block while it waits for its workers, and a worker that does may keep its own from starting.
  const device = await createCpuDevice({
    threads,
    callerWorks: false,
    stallSeconds,
    ...(threads > 1 ? { spawn: spawnWebWorker } : {}),
  });
  return threads === 1 && "document" in globalThis ? yieldingDevice(device) : device;
}

async function openWebGpu(options: BrowserDeviceOptions): Promise<Device> {
  const { powerPreference = "high-performance", stallSeconds } = options;
  const gpu = gpuOfPage();
  if (gpu === undefined) {
    const secure = globalThis.isSecureContext !== false;
    throw noAdapter(
      secure ? "a browser without navigator.gpu" : "a page that is neither from https:// nor from localhost",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (adapter === null) throw noAdapter("a browser that gives no adapter for this machine");
  return createWebGpuDevice(adapter, { stallSeconds });
}

/** `navigator.gpu`, which the type says is always there. */
function gpuOfPage(): GPU | undefined {
  return globalThis.navigator?.gpu;
}

function noAdapter(found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_NO_ADAPTER",
    message: "no suitable WebGPU adapter",
    expected: "a browser with WebGPU",
    found,
    remedy: "update the browser or its GPU driver, or open a bundle compiled with --target cpu",
  });
}
