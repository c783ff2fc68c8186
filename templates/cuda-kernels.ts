import { attentionCuda } from "./attention/cuda.js";
import { denseGemmCuda, denseWeightWordsCuda } from "./dense-gemm/cuda.js";
import { elementwiseCuda } from "./elementwise/cuda.js";
import type { KernelColumn, WeightLayouts } from "./families.js";
import { matmulCuda } from "./matmul/cuda.js";
import { unpackDenseCuda } from "./unpack-dense/cuda.js";

/** CUDA: one definer per family. */
export const cudaKernels: KernelColumn = {
  attention: attentionCuda,
  "dense-gemm": denseGemmCuda,
  elementwise: elementwiseCuda,
  matmul: matmulCuda,
  "unpack-dense": unpackDenseCuda,
};

/** Sizes of weights in the layouts that the CUDA kernels read. */
export const cudaWeightWords: WeightLayouts = {
  "dense-gemm": denseWeightWordsCuda,
};
