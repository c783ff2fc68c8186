import type { Target } from "../target.js";

/**
 * WebAssembly with 128-bit SIMD on worker threads. Every buffer lies in one shared 32-bit memory, hence 4 GiB.
 * Relaxed SIMD multiplies bytes; engines without it run the fallback kernels, which give the same bits.
 */
export const cpu: Target = {
  name: "cpu",
  language: "wat",
  summary: "WebAssembly SIMD on worker threads; runs everywhere, needs no GPU",
  limits: {
    maxMemoryBytes: 2 ** 32,
    maxBufferBytes: 2 ** 32 - 2 ** 16,
    maxBindingBytes: 2 ** 32 - 2 ** 16,
    maxWorkgroupInvocations: 1,
    maxWorkgroupStorageBytes: 0,
    maxWorkgroupsPerDimension: Number.POSITIVE_INFINITY,
    maxStorageBuffers: Number.POSITIVE_INFINITY,
  },
  activations: ["int8", "f32"],
  activationStorage: "f32",
  attentionProducts: [],
  networkProducts: ["f32"],
  fusesHeads: false,
  winograd: true,
  overwrites: true,
  reservedBytes: 0,
  features: ["relaxed-simd"],
};
