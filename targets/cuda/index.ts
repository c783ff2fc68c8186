import type { Target } from "../target.js";
import { ARCHITECTURES, type Architecture } from "./architectures.js";
import { GPUS } from "./gpus.js";

/** What every CUDA target is besides its GPU. */
const CUDA = {
  language: "cuda",
  activations: ["int8", "bf16", "f32"],
  activationStorage: "bf16",
  attentionProducts: ["int8"],
  networkProducts: ["tf32", "f32"],
  fusesHeads: true,
  winograd: false,
  overwrites: true,
  // The driver's context and the kernels' code: some 0.3 to 0.5 GB. An assumption, not a measurement.
  reservedBytes: 2 ** 29,
  features: [],
} as const;

/** What a program for all of these architectures may take. */
function limits(architectures: readonly Architecture[], memoryBytes: number): Target["limits"] {
  return {
    maxMemoryBytes: Number.POSITIVE_INFINITY,
    maxBufferBytes: memoryBytes,
    maxBindingBytes: memoryBytes,
    maxWorkgroupInvocations: 1024,
    maxWorkgroupStorageBytes: Math.min(...architectures.map((a) => ARCHITECTURES[a].sharedBytesPerBlock)),
    maxWorkgroupsPerDimension: 65_535,
    maxStorageBuffers: Number.POSITIVE_INFINITY,
  };
}

/** Exactly one GPU each: binaries for its architecture, tensors up to its memory. */
const GPU_TARGETS = Object.entries(GPUS).map(
  ([name, { architecture, aliases = [], ...gpu }]): Target => ({
    name,
    aliases,
    ...CUDA,
    summary: `NVIDIA ${gpu.model} (${architecture})`,
    limits: limits([architecture], gpu.memoryBytes),
    cuda: { architectures: [architecture], ptx: false, gpu },
  }),
);

const PORTABLE = (Object.keys(ARCHITECTURES) as Architecture[]).filter(
  (architecture) => ARCHITECTURES[architecture].toolkit.last === null,
);

/** Every architecture that current toolkits know, and PTX for those to come. */
export const cudaPortable: Target = {
  name: "cuda-portable",
  ...CUDA,
  summary: "one bundle for NVIDIA GPUs from Turing on: binaries for their architectures, PTX for later ones",
  limits: limits(PORTABLE, Number.POSITIVE_INFINITY),
  cuda: { architectures: PORTABLE, ptx: true, gpu: null },
};

export const CUDA_TARGETS: readonly Target[] = [...GPU_TARGETS, cudaPortable];
