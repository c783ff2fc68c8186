import { filterSize, type ImageConvParams, imageConv } from "../../ir/families/image-conv.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { exactly } from "../wgsl/exactly.js";
import { GEMM_TILE, paddedColumns } from "../wgsl/gemm-tile.js";

export const imageConvWgsl = kernelTemplates(imageConv.forms.wgsl, {
  configs: () => [
    { variant: "tiled", ...GEMM_TILE },
    { variant: "direct", ...GEMM_TILE },
  ],
  values: {
    tiled: (params, config) => ({
      ...values(params, config),
      k: filterSize(params),
      // 4 vectors of a row, one each invocation.
      loads: exactly(
        config.threadsY * config.blockM * 4,
        config.threadsX * config.threadsY,
        "vectors of a tile",
      ),
    }),
    direct: values,
  },
  header: () => ({ elements: { weights: "vec4<f32>" } }),
});

function values(params: ImageConvParams, { threadsX, threadsY, blockM, blockN }: GemmTile): TemplateValues {
  return {
    ...params,
    threadsX,
    threadsY,
    blockM,
    vectors: exactly(blockN, 4, "columns of one invocation"),
    nVectors: exactly(paddedColumns(params.n), 4, "columns of the weight layout"),
  };
}
