import { adalnCuda } from "./adaln/cuda.js";
import { adalnQuantizeCuda } from "./adaln-quantize/cuda.js";
import { attentionCuda } from "./attention/cuda.js";
import { denseGemmCuda } from "./dense-gemm/cuda.js";
import { elementwiseCuda } from "./elementwise/cuda.js";
import type { KernelColumn } from "./families.js";
import { gatherCuda } from "./gather/cuda.js";
import { layerNormCuda } from "./layer-norm/cuda.js";
import { matmulCuda } from "./matmul/cuda.js";
import { qkNormRopeCuda } from "./qk-norm-rope/cuda.js";
import { quantizeRowsCuda } from "./quantize-rows/cuda.js";
import { reduceCuda } from "./reduce/cuda.js";
import { ropeTableCuda } from "./rope-table/cuda.js";
import { softmaxCuda } from "./softmax/cuda.js";
import { ternaryGemmCuda } from "./ternary-gemm/cuda.js";
import { timestepEmbeddingCuda } from "./timestep-embedding/cuda.js";
import { unpackDenseCuda } from "./unpack-dense/cuda.js";
import { unpackTritsCuda } from "./unpack-trits/cuda.js";

/** CUDA: the templates of every family. */
export const cudaKernels: KernelColumn = {
  adaln: adalnCuda,
  "adaln-quantize": adalnQuantizeCuda,
  "quantize-rows": quantizeRowsCuda,
  "qk-norm-rope": qkNormRopeCuda,
  "layer-norm": layerNormCuda,
  softmax: softmaxCuda,
  reduce: reduceCuda,
  gather: gatherCuda,
  "rope-table": ropeTableCuda,
  "timestep-embedding": timestepEmbeddingCuda,
  attention: attentionCuda,
  "dense-gemm": denseGemmCuda,
  elementwise: elementwiseCuda,
  matmul: matmulCuda,
  "ternary-gemm": ternaryGemmCuda,
  "unpack-dense": unpackDenseCuda,
  "unpack-trits": unpackTritsCuda,
};
