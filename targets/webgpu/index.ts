import type { Target } from "../target.js";
import { WGSL_STORAGE_BUFFERS } from "./abi.js";

/** The limits every WebGPU device has without asking for more. */
export const webgpu: Target = {
  name: "webgpu",
  language: "wgsl",
  summary: "WebGPU at its default limits, in browsers and in Node",
  limits: {
    maxMemoryBytes: Number.POSITIVE_INFINITY,
    maxBufferBytes: 268_435_456,
    maxBindingBytes: 134_217_728,
    maxWorkgroupInvocations: 256,
    maxWorkgroupStorageBytes: 16_384,
    maxWorkgroupsPerDimension: 65_535,
    maxStorageBuffers: WGSL_STORAGE_BUFFERS,
  },
  activations: ["int8", "f16", "f32"],
  activationStorage: "f32",
  attentionProducts: [],
  networkProducts: ["f32"],
  fusesHeads: false,
  winograd: false,
  overwrites: false,
  reservedBytes: 0,
  features: [],
};
