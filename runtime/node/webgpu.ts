import { TritcError } from "../../ir/errors.js";
import { importOptional, installCommand } from "./optional-package.js";
import { loadVulkanLoader, prepareSoftwareVulkan } from "./software-adapter.js";
import { DRIVER_VARIABLES, hasVulkanDriver } from "./vulkan-drivers.js";

/** What drives the adapter, as it describes itself. */
export interface AdapterDescription {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** True where the adapter runs on the CPU: right for checking results, not for speed. */
  readonly software: boolean;
}

export interface OpenAdapterOptions {
  /**
   * `auto` (default): a GPU, else a software adapter. `always`: a software adapter even where there is a GPU.
   * `never`: a GPU or an error.
   */
  readonly software?: "auto" | "always" | "never";
  /** Whether timestamps of its devices are to be as exact as they know, not rounded to 65 µs as for web pages. */
  readonly timing?: boolean | undefined;
}

export interface OpenedAdapter {
  readonly adapter: GPUAdapter;
  readonly info: AdapterDescription;
  /** Destroys the devices that were requested from `adapter`. Calling it again does nothing. */
  release(): void;
  /** Takes a device out of what `release` destroys, and of garbage collection: Dawn would wait for its kernels. */
  abandon(device: GPUDevice): void;
}

type Dawn = typeof import("webgpu");

/**
 * Dawn's instance objects, for as long as the process lives. Dawn crashes the process when an instance is collected
 * before an adapter, device or buffer of it, and collection order cannot be controlled; an instance that stays
 * neither keeps the process from exiting nor holds device memory.
 */
const instances = new Map<string, GPU>();

/** Devices whose kernels may never end, for as long as the process lives. */
const abandoned = new Set<GPUDevice>();

let dawn: Promise<Dawn> | undefined;
let turn: Promise<unknown> = Promise.resolve();

/**
 * Opens a WebGPU adapter in Node through the `webgpu` package (Dawn) and installs WebGPU's globals
 * (`GPUBufferUsage`, `GPUMapMode`, ...). Order: a GPU, SwiftShader from `@sparticuz/chromium`, a software driver of
 * the system. Drivers named in `VK_DRIVER_FILES` or `VK_ICD_FILENAMES` are the only ones used where set.
 *
 * Call it on the main thread: a worker cannot set the environment that the Vulkan loader reads.
 *
 * @throws TritcError `TRITC_E_PACKAGE`, `TRITC_E_NO_ADAPTER` or one that tells why SwiftShader is not usable
 */
export function openAdapter(options: OpenAdapterOptions = {}): Promise<OpenedAdapter> {
  // One at a time: the search for a software adapter changes the process environment for a moment.
  const opened = turn.then(() => open(options.software ?? "auto", options.timing === true));
  turn = opened.catch(() => undefined);
  return opened;
}

async function open(software: "auto" | "always" | "never", timing: boolean): Promise<OpenedAdapter> {
  // Without the package nothing else that is missing matters.
  await loadDawn();
  const named = DRIVER_VARIABLES.some((name) => process.env[name]);
  let obstacle: unknown;
  const noteObstacle = (error: unknown): null => {
    obstacle = error;
    return null;
  };
  if (process.platform === "linux") {
    // A machine may have a GPU driver and no Vulkan loader; the packaged one serves it too.
    await loadVulkanLoader(async () => (await prepareSoftwareVulkan()).loader).catch(noteObstacle);
  }

  const search =
    named || (software !== "always" && (process.platform !== "linux" || (await hasVulkanDriver())));
  const system = search ? await requestAdapter("system", timing) : null;
  const isGpu = system !== null && !system.info.isFallbackAdapter;
  if (isGpu && software !== "always") return opened(system);
  if (software === "never") throw noAdapter("a GPU", system);
  if (named) {
    if (system !== null && !isGpu) return opened(system);
    throw noAdapter("an adapter of the drivers that VK_DRIVER_FILES or VK_ICD_FILENAMES names", system);
  }
  const packaged = await packagedAdapter(timing).catch(noteObstacle);
  if (packaged !== null) return opened(packaged);
  if (system !== null) return opened(system);
  throw obstacle ?? noAdapter("a GPU or a software adapter", null);
}

/** SwiftShader's adapter: the only driver that Dawn sees while its instance starts. */
async function packagedAdapter(timing: boolean): Promise<GPUAdapter | null> {
  if (instances.has(instanceName("software", timing))) return requestAdapter("software", timing);
  const { icd } = await prepareSoftwareVulkan();
  const before = DRIVER_VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of DRIVER_VARIABLES) process.env[name] = icd;
  try {
    return await requestAdapter("software", timing);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

type InstanceKind = "system" | "software";

function instanceName(kind: InstanceKind, timing: boolean): string {
  return timing ? `${kind}, timing` : kind;
}

async function requestAdapter(kind: InstanceKind, timing: boolean): Promise<GPUAdapter | null> {
  const { create } = await loadDawn();
  const name = instanceName(kind, timing);
  let gpu = instances.get(name);
  if (gpu === undefined) {
    gpu = create([
      ...(experimental() ? ["enable-dawn-features=allow_unsafe_apis"] : []),
      ...(timing ? ["disable-dawn-features=timestamp_quantization"] : []),
    ]);
    instances.set(name, gpu);
  }
  return gpu.requestAdapter({ powerPreference: "high-performance" });
}

/** Whether Dawn is to have what it does not vouch for: matrices of subgroups. Kernels of a bundle could use the rest of it too. */
function experimental(): boolean {
  return (process.env.TRITC_WEBGPU_EXPERIMENTAL ?? "") !== "";
}

function loadDawn(): Promise<Dawn> {
  dawn ??= importOptional("webgpu", () => import("webgpu")).then((module) => {
    Object.assign(globalThis, module.globals);
    return module;
  });
  return dawn;
}

function opened(adapter: GPUAdapter): OpenedAdapter {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const devices = new Set<GPUDevice>();
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const created = await requestDevice(descriptor);
    devices.add(created);
    return created;
  };
  return {
    adapter,
    info: { vendor, architecture, device, description, software: isFallbackAdapter },
    release() {
      for (const created of devices) created.destroy();
      devices.clear();
    },
    abandon(device) {
      devices.delete(device);
      abandoned.add(device);
    },
  };
}

function noAdapter(expected: string, found: GPUAdapter | null): TritcError {
  return new TritcError({
    code: "TRITC_E_NO_ADAPTER",
    message: "no suitable WebGPU adapter",
    expected,
    found: found === null ? "none" : found.info.description || found.info.device || "an adapter with no name",
    remedy:
      process.platform === "linux"
        ? `install the GPU's Vulkan driver, or for a software adapter: ${installCommand("koffi", "@sparticuz/chromium@143")}`
        : "update the GPU driver, or compile for the cpu target, which needs no GPU",
  });
}
