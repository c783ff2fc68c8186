import type { DenseGemmParams } from "../../ir/families/dense-gemm.js";
import { denseGemm } from "../../ir/families/dense-gemm.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, paddedColumns } from "../wgsl/gemm-tile.js";

export const denseGemmWgsl = kernelTemplates(denseGemm.forms.wgsl, {
  configs: () => [
    { variant: "tiled", ...GEMM_TILE },
    { variant: "direct", ...GEMM_TILE },
  ],
  values: {
    tiled,
    direct: (params, config) => ({ ...tiled(params, config), kWhole: params.k - (params.k % 4) }),
  },
  header: ({ n }) => ({ elements: { weights: "vec4<f32>" }, lengths: { bias: n } }),
});

function tiled(params: DenseGemmParams, { threadsX, threadsY, blockM, blockN }: GemmTile): TemplateValues {
  return {
    threadsX,
    threadsY,
    blockM,
    vectors: exactly(blockN, 4, "columns of one invocation"),
    epilogue: gemmEpilogue(params),
    k: params.k,
    nVectors: exactly(paddedColumns(params.n), 4, "columns of the weight layout"),
  };
}
