import type { Architecture } from "./architectures.js";

/** A GPU by its vendor's numbers; null where the vendor gives none. */
export interface Gpu {
  /** With the form that the numbers are for, where there are several. */
  readonly model: string;
  readonly sms: number | null;
  readonly l2Bytes: number | null;
  readonly memoryBytes: number;
  /** Bytes per second. */
  readonly memoryBandwidth: number;
  /** Peak dense rate of bf16 matrix instructions with f32 accumulators, in 10^12 operations per second. */
  readonly bf16Tflops: number | null;
  /** Peak dense rate of int8 matrix instructions, in 10^12 operations per second. */
  readonly int8Tops: number | null;
  /** Where the numbers come from. */
  readonly sources: readonly string[];
  /** What the numbers leave out. */
  readonly note?: string;
}

/** A GPU and what it is compiled for. */
interface GpuTarget extends Gpu {
  readonly architecture: Architecture;
  /** Other names it answers to. */
  readonly aliases?: readonly string[];
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const GB_PER_SECOND = 1e9;

/** GPUs by the names of their targets, with the numbers that NVIDIA publishes; rates are without sparsity. */
export const GPUS: Readonly<Record<string, GpuTarget>> = {
  v100: {
    architecture: "sm_70",
    model: "V100 SXM2 32 GB",
    sms: 80,
    l2Bytes: 6 * MIB,
    memoryBytes: 32 * GIB,
    memoryBandwidth: 900 * GB_PER_SECOND,
    bf16Tflops: null,
    int8Tops: null,
    sources: [
      "https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf",
      "https://images.nvidia.com/content/volta-architecture/pdf/volta-architecture-whitepaper.pdf",
    ],
    note: "no bf16 and no int8 matrix instructions; f16 ones reach 125 TFLOP/s",
  },
  t4: {
    architecture: "sm_75",
    model: "T4 16 GB",
    sms: 40,
    l2Bytes: 4 * MIB,
    memoryBytes: 16 * GIB,
    memoryBandwidth: 320 * GB_PER_SECOND,
    bf16Tflops: null,
    int8Tops: 130,
    sources: [
      "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf",
      "https://images.nvidia.com/aem-dam/en-zz/Solutions/design-visualization/technologies/turing-architecture/NVIDIA-Turing-Architecture-Whitepaper.pdf",
    ],
    note: "no bf16 matrix instructions; f16 ones reach 65 TFLOP/s",
  },
  a100: {
    architecture: "sm_80",
    model: "A100 SXM 80 GB",
    sms: 108,
    l2Bytes: 40 * MIB,
    memoryBytes: 80 * GIB,
    memoryBandwidth: 2039 * GB_PER_SECOND,
    bf16Tflops: 312,
    int8Tops: 624,
    sources: [
      "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf",
      "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf",
    ],
  },
  a10: {
    architecture: "sm_86",
    model: "A10 24 GB",
    sms: 72,
    l2Bytes: 6 * MIB,
    memoryBytes: 24 * GIB,
    memoryBandwidth: 600 * GB_PER_SECOND,
    bf16Tflops: 125,
    int8Tops: 250,
    sources: [
      "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a10/pdf/a10-datasheet.pdf",
      "https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf",
    ],
    note: "the datasheet gives neither SMs nor L2: SMs from its 9,216 CUDA cores at 128 an SM, L2 that of GA102",
  },
  l20: {
    architecture: "sm_89",
    model: "L20 48 GB",
    sms: 92,
    l2Bytes: 96 * MIB,
    memoryBytes: 48 * GIB,
    memoryBandwidth: 864 * GB_PER_SECOND,
    bf16Tflops: 119.5,
    int8Tops: 239,
    sources: [
      "https://docs.nvidia.com/vgpu/latest/grid-vgpu-user-guide/index.html",
      "https://www.topcpu.net/en/gpu-c/a40-pcie-vs-l20",
    ],
    note: "NVIDIA publishes no datasheet and confirms the memory size alone: the other numbers are resellers'",
  },
  l40s: {
    architecture: "sm_89",
    model: "L40S 48 GB",
    sms: 142,
    l2Bytes: 96 * MIB,
    memoryBytes: 48 * GIB,
    memoryBandwidth: 864 * GB_PER_SECOND,
    bf16Tflops: 362.05,
    int8Tops: 733,
    sources: [
      "https://resources.nvidia.com/en-us-l40s/l40s-datasheet-28413",
      "https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf",
    ],
  },
  "rtx-3090": {
    architecture: "sm_86",
    aliases: ["3090", "rtx3090"],
    model: "GeForce RTX 3090 24 GB",
    sms: 82,
    l2Bytes: 6 * MIB,
    memoryBytes: 24 * GIB,
    memoryBandwidth: 936 * GB_PER_SECOND,
    bf16Tflops: 71,
    int8Tops: 284,
    sources: ["https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf"],
  },
  "rtx-4090": {
    architecture: "sm_89",
    aliases: ["4090", "rtx4090"],
    model: "GeForce RTX 4090 24 GB",
    sms: 128,
    l2Bytes: 72 * MIB,
    memoryBytes: 24 * GIB,
    memoryBandwidth: 1008 * GB_PER_SECOND,
    bf16Tflops: 165.2,
    int8Tops: 660.6,
    sources: ["https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf"],
  },
  "rtx-5090": {
    architecture: "sm_120a",
    aliases: ["5090", "rtx5090"],
    model: "GeForce RTX 5090 32 GB",
    sms: 170,
    l2Bytes: 96 * MIB,
    memoryBytes: 32 * GIB,
    memoryBandwidth: 1792 * GB_PER_SECOND,
    bf16Tflops: 209.5,
    int8Tops: 838,
    sources: [
      "https://images.nvidia.com/aem-dam/Solutions/geforce/blackwell/nvidia-rtx-blackwell-gpu-architecture.pdf",
    ],
  },
  h100: {
    architecture: "sm_90a",
    model: "H100 SXM 80 GB",
    sms: 132,
    l2Bytes: 50 * MIB,
    memoryBytes: 80 * GIB,
    memoryBandwidth: 3350 * GB_PER_SECOND,
    bf16Tflops: 989.4,
    int8Tops: 1978.9,
    sources: [
      "https://resources.nvidia.com/en-us-gpu-resources/h100-datasheet-24306",
      "https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper",
    ],
  },
  h200: {
    architecture: "sm_90a",
    model: "H200 SXM 141 GB",
    sms: 132,
    l2Bytes: 50 * MIB,
    memoryBytes: 141 * GIB,
    memoryBandwidth: 4800 * GB_PER_SECOND,
    bf16Tflops: 989.4,
    int8Tops: 1978.9,
    sources: [
      "https://resources.nvidia.com/en-us-gpu-resources/hpc-datasheet-sc23-h200",
      "https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper",
    ],
    note: "the datasheet gives neither SMs nor L2: those of the H100, whose chip and rates it has",
  },
  b200: {
    architecture: "sm_100a",
    model: "B200 SXM 180 GB (HGX and DGX)",
    sms: null,
    l2Bytes: null,
    memoryBytes: 180 * GIB,
    memoryBandwidth: 8000 * GB_PER_SECOND,
    bf16Tflops: 2250,
    int8Tops: 4500,
    sources: [
      "https://resources.nvidia.com/en-us-dgx-systems/dgx-b200-datasheet",
      "https://resources.nvidia.com/en-us-blackwell-architecture",
    ],
    note: "NVIDIA's documents give neither SMs nor L2; drivers report 148 and 126 MB",
  },
};
