import { adalnWgsl } from "./adaln/wgsl.js";
import { adalnQuantizeWgsl } from "./adaln-quantize/wgsl.js";
import { attentionWgsl } from "./attention/wgsl.js";
import { denseGemmWgsl } from "./dense-gemm/wgsl.js";
import { elementwiseWgsl } from "./elementwise/wgsl.js";
import type { KernelColumn } from "./families.js";
import { gatherWgsl } from "./gather/wgsl.js";
import { layerNormWgsl } from "./layer-norm/wgsl.js";
import { matmulWgsl } from "./matmul/wgsl.js";
import { qkNormRopeWgsl } from "./qk-norm-rope/wgsl.js";
import { quantizeRowsWgsl } from "./quantize-rows/wgsl.js";
import { reduceWgsl } from "./reduce/wgsl.js";
import { ropeTableWgsl } from "./rope-table/wgsl.js";
import { softmaxWgsl } from "./softmax/wgsl.js";
import { ternaryGemmWgsl } from "./ternary-gemm/wgsl.js";
import { timestepEmbeddingWgsl } from "./timestep-embedding/wgsl.js";
import { unpackDenseWgsl } from "./unpack-dense/wgsl.js";
import { unpackTritsWgsl } from "./unpack-trits/wgsl.js";

/** WGSL: the templates of every family. */
export const wgslKernels: KernelColumn = {
  "ternary-gemm": ternaryGemmWgsl,
  "dense-gemm": denseGemmWgsl,
  attention: attentionWgsl,
  adaln: adalnWgsl,
  "adaln-quantize": adalnQuantizeWgsl,
  "quantize-rows": quantizeRowsWgsl,
  "qk-norm-rope": qkNormRopeWgsl,
  "layer-norm": layerNormWgsl,
  "rope-table": ropeTableWgsl,
  "timestep-embedding": timestepEmbeddingWgsl,
  elementwise: elementwiseWgsl,
  reduce: reduceWgsl,
  softmax: softmaxWgsl,
  matmul: matmulWgsl,
  gather: gatherWgsl,
  "unpack-trits": unpackTritsWgsl,
  "unpack-dense": unpackDenseWgsl,
};
