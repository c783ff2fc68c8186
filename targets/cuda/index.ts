import type { Architecture, Gpu, Target } from "../target.js";
import { ARCHITECTURES } from "./architectures.js";
import { GPUS } from "./gpus.js";

/** What every CUDA target is besides its GPU. */
const CUDA = {
  language: "cuda",
  activations: ["int8", "bf16", "f32"],
  features: [],
} as const;

/** Exactly one GPU: binaries for its architecture, tensors up to its memory. */
function gpuTarget(
  name: string,
  architecture: Architecture,
  gpu: Gpu,
  aliases: readonly string[] = [],
): Target {
  return {
    name,
    aliases,
    ...CUDA,
    summary: `NVIDIA ${gpu.model} (${architecture})`,
    limits: limits([architecture], gpu.memoryBytes),
    cuda: { architectures: [architecture], ptx: false, gpu },
  };
}

/** What a program for all of these architectures may take. */
function limits(architectures: readonly Architecture[], memoryBytes: number): Target["limits"] {
  return {
    maxBufferBytes: memoryBytes,
    maxBindingBytes: memoryBytes,
    maxWorkgroupInvocations: 1024,
    maxWorkgroupStorageBytes: Math.min(...architectures.map((a) => ARCHITECTURES[a].sharedBytesPerBlock)),
    maxWorkgroupsPerDimension: 65_535,
    maxStorageBuffers: Number.POSITIVE_INFINITY,
  };
}

export const v100 = gpuTarget("v100", "sm_70", GPUS.v100);
export const t4 = gpuTarget("t4", "sm_75", GPUS.t4);
export const a100 = gpuTarget("a100", "sm_80", GPUS.a100);
export const a10 = gpuTarget("a10", "sm_86", GPUS.a10);
export const l20 = gpuTarget("l20", "sm_89", GPUS.l20);
export const l40s = gpuTarget("l40s", "sm_89", GPUS.l40s);
export const rtx3090 = gpuTarget("rtx-3090", "sm_86", GPUS.rtx3090, ["3090", "rtx3090"]);
export const rtx4090 = gpuTarget("rtx-4090", "sm_89", GPUS.rtx4090, ["4090", "rtx4090"]);
export const rtx5090 = gpuTarget("rtx-5090", "sm_120a", GPUS.rtx5090, ["5090", "rtx5090"]);
export const h100 = gpuTarget("h100", "sm_90a", GPUS.h100);
export const h200 = gpuTarget("h200", "sm_90a", GPUS.h200);
export const b200 = gpuTarget("b200", "sm_100a", GPUS.b200);

const PORTABLE = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"] as const;

/** Every architecture that current toolkits know, and PTX for those to come. */
export const cudaPortable: Target = {
  name: "cuda-portable",
  ...CUDA,
  summary: "one bundle for NVIDIA GPUs from Turing on: binaries for seven architectures, PTX for later ones",
  limits: limits(PORTABLE, Number.POSITIVE_INFINITY),
  cuda: { architectures: PORTABLE, ptx: true, gpu: null },
};

export const CUDA_TARGETS: readonly Target[] = [
  v100,
  t4,
  a100,
  a10,
  l20,
  l40s,
  rtx3090,
  rtx4090,
  rtx5090,
  h100,
  h200,
  b200,
  cudaPortable,
];
