import { PER_WORD } from "../../ir/families/contract/narrow.js";
import { type DenseGemmParams, denseGemm } from "../../ir/families/dense-gemm.js";
import { type GemmTile, gemmTile } from "../../ir/families/launch/gemm-tile.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { type Invocation, total } from "../wgsl/counts.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { gemmCounts, STAGE, staged, storing } from "../wgsl/gemm-counts.js";
import { GEMM_TILE, isBeyond, paddedColumns } from "../wgsl/gemm-tile.js";
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
  cost: { tiled: tiledCounts, direct: directCounts },
  header: ({ n, held }) => ({
    elements: { weights: held === undefined ? "vec4<f32>" : "vec4<u32>" },
    lengths: { bias: n },
  }),
});

function values(params: DenseGemmParams, config: GemmTile): TemplateValues {
  const { n, k, held } = params;
  const { threadsX, threadsY, blockM, blockN } = config;
  return {
    threadsX,
    threadsY,
    blockM,
    vectors: exactly(blockN, 4, "columns of one invocation"),
    epilogue: gemmEpilogue(params),
    k,
    nVectors: exactly(paddedColumns(n), 4, "columns of the weight layout"),
    beyond: isBeyond(n, gemmTile(config).tile),
    narrow: held !== undefined,
    functions: held === undefined ? "" : narrowFunctions({ n, k, held }),
  };
}

/** A vector of weights, of four columns, as floats: read, or made of its part of words that hold several. */
function weightVector(held: DenseGemmParams["held"]): Invocation {
  if (held === undefined) return { loads: 4, other: 2 };
  const perWord = PER_WORD[held];
  return { loads: 4 / perWord, other: held === "bf16" ? 8 : 12 };
}

function tiledCounts(params: DenseGemmParams, tile: GemmTile, launched: Launched): Counts {
  const stage = staged(tile, { loads: 4, other: 10 }, weightVector(params.held), launched);
  return counts(params, tile, [[Math.ceil(params.k / STAGE), stage]], launched);
}

function directCounts(params: DenseGemmParams, tile: GemmTile, launched: Launched): Counts {
  const { blockM, blockN } = tile;
  // Four k.
  const step = total([
    [blockN, weightVector(params.held)],
    [1, { loads: 4 * blockM, other: 4 * blockM + 3, fused: 4 * blockM * blockN }],
  ]);
  return counts(params, tile, [[Math.ceil(params.k / 4), step]], launched);
}

function counts(
  params: DenseGemmParams,
  tile: GemmTile,
  loop: readonly (readonly [number, Invocation])[],
  launched: Launched,
): Counts {
  const { n, k, held } = params;
  const { blockM, blockN } = tile;
  return gemmCounts(
    total([...loop, [blockM * blockN, storing(params)]]),
    tile,
    {
      ...{ n, rowBytes: 4 * k, resultBytes: 4 * n, operands: 4 * blockN + 4 },
      columnBytes: (4 * k) / (held === undefined ? 1 : PER_WORD[held]),
    },
    launched,
  );
}
