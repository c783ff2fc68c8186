import { filterSize, type ImageConvParams, imageConv } from "../../ir/families/image-conv.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { type Invocation, total } from "../wgsl/counts.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmCounts, STAGE, staged, storing } from "../wgsl/gemm-counts.js";
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
  cost: { tiled: tiledCounts, direct: directCounts },
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

/** Where a pixel lies, and whether it does. */
const PIXEL: Invocation = { other: 20 };
const WEIGHTS: Invocation = { loads: 4, other: 4 };

function tiledCounts(params: ImageConvParams, tile: GemmTile, launched: Launched): Counts {
  const { c, kernelY, kernelX } = params;
  const stage = staged(tile, { loads: 4, other: 6 }, WEIGHTS, launched);
  const pixels = (tile.blockM * 4) / tile.threadsX;
  return counts(
    params,
    tile,
    [
      [kernelY * kernelX * Math.ceil(c / STAGE), stage],
      [kernelY * kernelX * pixels, PIXEL],
    ],
    launched,
  );
}

function directCounts(params: ImageConvParams, tile: GemmTile, launched: Launched): Counts {
  const { kernelY, kernelX } = params;
  const { blockM, blockN } = tile;
  // One channel.
  const step = total([
    [blockN / 4, WEIGHTS],
    [1, { loads: blockM, other: blockM + 3, fused: blockM * blockN }],
  ]);
  return counts(
    params,
    tile,
    [
      [filterSize(params), step],
      [kernelY * kernelX * blockM, PIXEL],
    ],
    launched,
  );
}

function counts(
  params: ImageConvParams,
  tile: GemmTile,
  loop: readonly (readonly [number, Invocation])[],
  launched: Launched,
): Counts {
  const { n, c, bias, residual } = params;
  const { blockM, blockN } = tile;
  const stored = storing({ activation: "none", bias, gated: residual });
  return gemmCounts(
    total([...loop, [blockM * blockN, stored]]),
    tile,
    {
      ...{ n, columnBytes: 4 * filterSize(params), resultBytes: 4 * n, operands: 4 * blockN + 12 },
      // Windows of neighbouring pixels are largely the same.
      rowBytes: 4 * c,
    },
    launched,
  );
}
