import type { KernelColumn, WeightLayouts } from "./families.js";

/** CUDA: one definer per family. */
export const cudaKernels: KernelColumn = {};

/** Sizes of weights in the layouts that the CUDA kernels read. */
export const cudaWeightWords: WeightLayouts = {};
