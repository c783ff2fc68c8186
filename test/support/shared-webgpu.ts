import { afterAll, beforeAll } from "vitest";

/** Devices by what was asked for, while a file shares them. */
let devices: Map<string, Promise<GPUDevice>> | undefined;

/**
 * From here to the end of the test file whoever opens a WebGPU device like one that was open gets that one: SwiftShader compiles each
 * shader once for a device, and takes longer for it than for all that small models compute. Call it at the top of a file whose
 * tests are not about devices: what they lose stays lost, and what they leave is freed at the end.
 */
export function shareWebGpuDevices(): void {
  beforeAll(() => {
    devices = new Map();
  });
  afterAll(async () => {
    const opened = await Promise.all(devices?.values() ?? []);
    devices = undefined;
    for (const device of opened) GPUDevice.prototype.destroy.call(device);
  });
}

/** Lets an instance of Dawn share devices where a test file wants it. */
export function sharing(gpu: GPU): GPU {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (adapter === null) return null;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = (descriptor) => {
      const key = JSON.stringify([adapter.info, descriptor]);
      const known = devices?.get(key);
      if (known !== undefined) return known;
      const device = requestDevice(descriptor).then(keeping);
      devices?.set(key, device);
      device.catch(() => devices?.delete(key));
      return device;
    };
    return adapter;
  };
  return gpu;
}

/** A device that others go on with: it is not destroyed, and its shaders' pipelines are not collected as garbage. */
function keeping(device: GPUDevice): GPUDevice {
  if (devices === undefined) return device;
  const kept: GPUComputePipeline[] = [];
  const create = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = async (descriptor) => {
    const pipeline = await create(descriptor);
    kept.push(pipeline);
    return pipeline;
  };
  device.destroy = () => undefined;
  return device;
}
