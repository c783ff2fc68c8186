import { PER_WORD } from "../../ir/families/contract/narrow.js";
import { type DenseGemmParams, denseGemm } from "../../ir/families/dense-gemm.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, paddedColumns } from "../wgsl/gemm-tile.js";
import { narrowFunctions } from "../wgsl/narrow.js";

export const denseGemmWgsl = kernelTemplates(denseGemm.forms.wgsl, {
  configs: () => [
    { variant: "tiled", ...GEMM_TILE },
    { variant: "direct", ...GEMM_TILE },
  ],
  values: {
    tiled: (params, config) => ({ ...values(params, config), perWord: PER_WORD[params.held ?? "bf16"] }),
    direct: (params, config) => ({
      ...values(params, config),
      kWhole: params.k - (params.k % 4),
      held: params.held ?? "f32",
    }),
  },
  header: ({ n, held }) => ({
    elements: { weights: held === undefined ? "vec4<f32>" : "vec4<u32>" },
    lengths: { bias: n },
  }),
});

function values(params: DenseGemmParams, { threadsX, threadsY, blockM, blockN }: GemmTile): TemplateValues {
  const { n, k, held } = params;
  return {
    threadsX,
    threadsY,
    blockM,
    vectors: exactly(blockN, 4, "columns of one invocation"),
    epilogue: gemmEpilogue(params),
    k,
    nVectors: exactly(paddedColumns(n), 4, "columns of the weight layout"),
    narrow: held !== undefined,
    functions: held === undefined ? "" : narrowFunctions({ n, k, held }),
  };
}
