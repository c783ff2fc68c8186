import { adalnWat } from "./adaln/wat.js";
import { adalnQuantizeWat } from "./adaln-quantize/wat.js";
import { attentionWat } from "./attention/wat.js";
import { denseGemmWat } from "./dense-gemm/wat.js";
import { elementwiseWat } from "./elementwise/wat.js";
import type { KernelColumn } from "./families.js";
import { gatherWat } from "./gather/wat.js";
import { layerNormWat } from "./layer-norm/wat.js";
import { matmulWat } from "./matmul/wat.js";
import { qkNormRopeWat } from "./qk-norm-rope/wat.js";
import { quantizeRowsWat } from "./quantize-rows/wat.js";
import { reduceWat } from "./reduce/wat.js";
import { ropeTableWat } from "./rope-table/wat.js";
import { softmaxWat } from "./softmax/wat.js";
import { ternaryGemmWat } from "./ternary-gemm/wat.js";
import { timestepEmbeddingWat } from "./timestep-embedding/wat.js";
import { unpackDenseWat } from "./unpack-dense/wat.js";
import { unpackTritsWat } from "./unpack-trits/wat.js";

/** WebAssembly text: the templates of every family. */
export const watKernels: KernelColumn = {
  "ternary-gemm": ternaryGemmWat,
  "dense-gemm": denseGemmWat,
  attention: attentionWat,
  adaln: adalnWat,
  "adaln-quantize": adalnQuantizeWat,
  "quantize-rows": quantizeRowsWat,
  "qk-norm-rope": qkNormRopeWat,
  "layer-norm": layerNormWat,
  "rope-table": ropeTableWat,
  "timestep-embedding": timestepEmbeddingWat,
  elementwise: elementwiseWat,
  reduce: reduceWat,
  softmax: softmaxWat,
  matmul: matmulWat,
  gather: gatherWat,
  "unpack-trits": unpackTritsWat,
  "unpack-dense": unpackDenseWat,
};
