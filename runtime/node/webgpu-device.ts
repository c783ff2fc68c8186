import type { Device } from "../device.js";
import { createWebGpuDevice, type WebGpuOptions } from "../webgpu/device.js";
import { type OpenAdapterOptions, openAdapter } from "./webgpu.js";

/** A WebGPU device in Node, on the adapter that `openAdapter` finds. Closing it releases the adapter. */
export async function createNodeWebGpuDevice(
  options: OpenAdapterOptions & WebGpuOptions = {},
): Promise<Device> {
  const opened = await openAdapter(options);
  try {
    const device = await createWebGpuDevice(opened.adapter, { giveUp: opened.abandon, ...options });
    return {
      ...device,
      async close() {
        await device.close();
        opened.release();
      },
    };
  } catch (error) {
    opened.release();
    throw error;
  }
}
