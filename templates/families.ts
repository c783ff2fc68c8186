import type { FamilyName, FamilyParams } from "../ir/families/index.js";
import type { Language } from "../ir/program/program.js";
import { adalnCuda } from "./adaln/cuda.js";
import { adalnWat } from "./adaln/wat.js";
import { adalnWgsl } from "./adaln/wgsl.js";
import { adalnQuantizeCuda } from "./adaln-quantize/cuda.js";
import { adalnQuantizeWat } from "./adaln-quantize/wat.js";
import { adalnQuantizeWgsl } from "./adaln-quantize/wgsl.js";
import { attentionCuda } from "./attention/cuda.js";
import { attentionWat } from "./attention/wat.js";
import { attentionWgsl } from "./attention/wgsl.js";
import { channelMomentsCuda } from "./channel-moments/cuda.js";
import { channelMomentsWat } from "./channel-moments/wat.js";
import { channelMomentsWgsl } from "./channel-moments/wgsl.js";
import { denseGemmCuda } from "./dense-gemm/cuda.js";
import { denseGemmWat } from "./dense-gemm/wat.js";
import { denseGemmWgsl } from "./dense-gemm/wgsl.js";
import { elementwiseCuda } from "./elementwise/cuda.js";
import { elementwiseWat } from "./elementwise/wat.js";
import { elementwiseWgsl } from "./elementwise/wgsl.js";
import { gatherCuda } from "./gather/cuda.js";
import { gatherWat } from "./gather/wat.js";
import { gatherWgsl } from "./gather/wgsl.js";
import { groupFactorsCuda } from "./group-factors/cuda.js";
import { groupFactorsWat } from "./group-factors/wat.js";
import { groupFactorsWgsl } from "./group-factors/wgsl.js";
import { groupNormCuda } from "./group-norm/cuda.js";
import { groupNormWat } from "./group-norm/wat.js";
import { groupNormWgsl } from "./group-norm/wgsl.js";
import { imageConvCuda } from "./image-conv/cuda.js";
import { imageConvWat } from "./image-conv/wat.js";
import { imageConvWgsl } from "./image-conv/wgsl.js";
import type { KernelTemplates } from "./kernel-templates.js";
import { layerNormCuda } from "./layer-norm/cuda.js";
import { layerNormWat } from "./layer-norm/wat.js";
import { layerNormWgsl } from "./layer-norm/wgsl.js";
import { matmulCuda } from "./matmul/cuda.js";
import { matmulWat } from "./matmul/wat.js";
import { matmulWgsl } from "./matmul/wgsl.js";
import { qkNormRopeCuda } from "./qk-norm-rope/cuda.js";
import { qkNormRopeWat } from "./qk-norm-rope/wat.js";
import { qkNormRopeWgsl } from "./qk-norm-rope/wgsl.js";
import { quantizeRowsCuda } from "./quantize-rows/cuda.js";
import { quantizeRowsWat } from "./quantize-rows/wat.js";
import { quantizeRowsWgsl } from "./quantize-rows/wgsl.js";
import { reduceCuda } from "./reduce/cuda.js";
import { reduceWat } from "./reduce/wat.js";
import { reduceWgsl } from "./reduce/wgsl.js";
import { ropeTableCuda } from "./rope-table/cuda.js";
import { ropeTableWat } from "./rope-table/wat.js";
import { ropeTableWgsl } from "./rope-table/wgsl.js";
import { softmaxCuda } from "./softmax/cuda.js";
import { softmaxWat } from "./softmax/wat.js";
import { softmaxWgsl } from "./softmax/wgsl.js";
import { ternaryGemmCuda } from "./ternary-gemm/cuda.js";
import { ternaryGemmWat } from "./ternary-gemm/wat.js";
import { ternaryGemmWgsl } from "./ternary-gemm/wgsl.js";
import { timestepEmbeddingCuda } from "./timestep-embedding/cuda.js";
import { timestepEmbeddingWat } from "./timestep-embedding/wat.js";
import { timestepEmbeddingWgsl } from "./timestep-embedding/wgsl.js";
import { unpackDenseCuda } from "./unpack-dense/cuda.js";
import { unpackDenseWat } from "./unpack-dense/wat.js";
import { unpackDenseWgsl } from "./unpack-dense/wgsl.js";
import { unpackNarrowCuda } from "./unpack-narrow/cuda.js";
import { unpackNarrowWat } from "./unpack-narrow/wat.js";
import { unpackNarrowWgsl } from "./unpack-narrow/wgsl.js";
import { unpackTritsCuda } from "./unpack-trits/cuda.js";
import { unpackTritsWat } from "./unpack-trits/wat.js";
import { unpackTritsWgsl } from "./unpack-trits/wgsl.js";

/** The templates of every family in every language. */
export const TEMPLATES: {
  readonly [F in FamilyName]: Readonly<Record<Language, KernelTemplates<FamilyParams[F]>>>;
} = {
  "ternary-gemm": { wat: ternaryGemmWat, wgsl: ternaryGemmWgsl, cuda: ternaryGemmCuda },
  "dense-gemm": { wat: denseGemmWat, wgsl: denseGemmWgsl, cuda: denseGemmCuda },
  attention: { wat: attentionWat, wgsl: attentionWgsl, cuda: attentionCuda },
  adaln: { wat: adalnWat, wgsl: adalnWgsl, cuda: adalnCuda },
  "adaln-quantize": { wat: adalnQuantizeWat, wgsl: adalnQuantizeWgsl, cuda: adalnQuantizeCuda },
  "quantize-rows": { wat: quantizeRowsWat, wgsl: quantizeRowsWgsl, cuda: quantizeRowsCuda },
  "qk-norm-rope": { wat: qkNormRopeWat, wgsl: qkNormRopeWgsl, cuda: qkNormRopeCuda },
  "layer-norm": { wat: layerNormWat, wgsl: layerNormWgsl, cuda: layerNormCuda },
  "rope-table": { wat: ropeTableWat, wgsl: ropeTableWgsl, cuda: ropeTableCuda },
  "timestep-embedding": {
    wat: timestepEmbeddingWat,
    wgsl: timestepEmbeddingWgsl,
    cuda: timestepEmbeddingCuda,
  },
  elementwise: { wat: elementwiseWat, wgsl: elementwiseWgsl, cuda: elementwiseCuda },
  reduce: { wat: reduceWat, wgsl: reduceWgsl, cuda: reduceCuda },
  softmax: { wat: softmaxWat, wgsl: softmaxWgsl, cuda: softmaxCuda },
  matmul: { wat: matmulWat, wgsl: matmulWgsl, cuda: matmulCuda },
  gather: { wat: gatherWat, wgsl: gatherWgsl, cuda: gatherCuda },
  "image-conv": { wat: imageConvWat, wgsl: imageConvWgsl, cuda: imageConvCuda },
  "channel-moments": { wat: channelMomentsWat, wgsl: channelMomentsWgsl, cuda: channelMomentsCuda },
  "group-factors": { wat: groupFactorsWat, wgsl: groupFactorsWgsl, cuda: groupFactorsCuda },
  "group-norm": { wat: groupNormWat, wgsl: groupNormWgsl, cuda: groupNormCuda },
  "unpack-trits": { wat: unpackTritsWat, wgsl: unpackTritsWgsl, cuda: unpackTritsCuda },
  "unpack-dense": { wat: unpackDenseWat, wgsl: unpackDenseWgsl, cuda: unpackDenseCuda },
  "unpack-narrow": { wat: unpackNarrowWat, wgsl: unpackNarrowWgsl, cuda: unpackNarrowCuda },
};
