import type { Architecture, Target } from "../target.js";

function cudaTarget(name: string, summary: string, architectures: readonly Architecture[]): Target {
  return {
    name,
    language: "cuda",
    summary,
    limits: {
      maxBufferBytes: Number.POSITIVE_INFINITY,
      maxBindingBytes: Number.POSITIVE_INFINITY,
      maxWorkgroupInvocations: 1024,
      maxWorkgroupStorageBytes: 48 * 1024,
      maxWorkgroupsPerDimension: 65_535,
      maxStorageBuffers: Number.POSITIVE_INFINITY,
    },
    activations: ["int8", "bf16", "f32"],
    features: [],
    cuda: { architectures, ptx: name === "cuda-portable", gpu: null },
  };
}

export const v100 = cudaTarget("v100", "NVIDIA V100", ["sm_70"]);
export const t4 = cudaTarget("t4", "NVIDIA T4", ["sm_75"]);
export const a10 = cudaTarget("a10", "NVIDIA A10", ["sm_86"]);
export const h200 = cudaTarget("h200", "NVIDIA H200", ["sm_90a"]);
export const cudaPortable = cudaTarget("cuda-portable", "one bundle for several NVIDIA architectures", [
  "sm_75",
  "sm_80",
  "sm_86",
  "sm_89",
  "sm_90a",
  "sm_100a",
  "sm_120a",
]);

export const CUDA_TARGETS: readonly Target[] = [v100, t4, a10, h200, cudaPortable];
