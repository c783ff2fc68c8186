import { PER_WORD } from "../../ir/families/contract/narrow.js";
import { type DenseGemmParams, denseGemm } from "../../ir/families/dense-gemm.js";
import { type GemmTile, gemmTile, type StagedTile } from "../../ir/families/launch/gemm-tile.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { BARRIER, type Invocation, total } from "../wgsl/counts.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { distinctOf, gemmCounts, STAGE, staged, storing } from "../wgsl/gemm-counts.js";
import { GEMM_TILE, isBeyond, paddedColumns } from "../wgsl/gemm-tile.js";
import { narrowFunctions } from "../wgsl/narrow.js";

type Staged = StagedTile & { readonly operands: "f32" | "f16" };

export const denseGemmWgsl = kernelTemplates(denseGemm.forms.wgsl, {
  configs: () => [
    { variant: "tiled", ...GEMM_TILE },
    { variant: "staged", ...GEMM_TILE, stage: 16, buffers: 1, operands: "f32" },
    { variant: "direct", ...GEMM_TILE },
  ],
  values: {
    tiled: (params, config) => ({ ...values(params, config), perWord: PER_WORD[params.held ?? "bf16"] }),
    staged: stagedValues,
    direct: (params, config) => ({
      ...values(params, config),
      kWhole: params.k - (params.k % 4),
      held: params.held ?? "f32",
    }),
  },
  cost: { tiled: tiledCounts, staged: stagedCounts, direct: directCounts },
  header: ({ n, held }, { variant }) => ({
    elements: {
      weights: held === undefined ? "vec4<f32>" : "vec4<u32>",
      ...(variant === "staged" ? { x: "vec4<f32>" } : {}),
    },
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

function stagedValues(
  params: DenseGemmParams,
  { stage, buffers, operands, ...tile }: Staged,
): TemplateValues {
  const { k, held } = params;
  const { workgroup, tile: covered } = gemmTile(tile);
  const [columns, rows] = covered;
  const threads = workgroup[0] * workgroup[1];
  const perWord = PER_WORD[held ?? "bf16"];
  return {
    ...values(params, tile),
    perWord,
    stage,
    buffers,
    rowLoads: Math.ceil((rows * stage) / 4 / threads),
    weightLoads: Math.ceil((columns * stage) / 4 / (held === undefined ? 1 : perWord) / threads),
    overhang: k % stage !== 0,
    ragged: k % 4 !== 0,
    half: operands === "f16",
    element: operands,
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

/** A stage whose operands are read ahead. */
function stagedCounts(params: DenseGemmParams, config: Staged, launched: Launched): Counts {
  const { stage, buffers, operands, ...tile } = config;
  const { threadsX, threadsY, blockM, blockN } = tile;
  const half = operands === "f16";
  const { columns, rows } = distinctOf(tile, launched);
  const size = half ? 0.5 : 1;
  // Bounds and conversions of a vector.
  const put: Invocation = { other: half ? 10 : 2, shared: [[1, launched.speed.lanes * size]] };
  const [ofRows, ofWeights] = [(blockM * stage) / 4 / threadsX, (blockN * stage) / 4 / threadsY];
  const words = params.held === undefined ? 1 : PER_WORD[params.held];
  const turn = total([
    [
      ofRows,
      total([
        [1, { vectors: 1, other: 7 }],
        [1, put],
      ]),
    ],
    [ofWeights, put],
    [ofWeights / words, { vectors: 1, other: 4 }],
    [params.held === undefined ? 0 : ofWeights, { other: params.held === "bf16" ? 8 : 12 }],
    [buffers === 2 ? 1 : 2, { other: BARRIER }],
    [1, { other: 6 }],
    [
      stage / 4,
      {
        other: 3 + (half ? 4 * (blockM + blockN) : 0),
        fused: 4 * blockM * blockN,
        shared: [
          [blockN, columns * size],
          [blockM, rows * size],
        ],
      },
    ],
  ]);
  const ahead = 6 * Math.ceil(ofRows) + 5 * Math.ceil(ofWeights / words);
  return counts(params, tile, [[Math.ceil(params.k / stage), turn]], launched, ahead);
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
  ahead = 0,
): Counts {
  const { n, k, held } = params;
  const { blockM, blockN } = tile;
  return gemmCounts(
    total([...loop, [blockM * blockN, storing(params)]]),
    tile,
    {
      ...{ n, rowBytes: 4 * k, resultBytes: 4 * n, operands: 4 * blockN + 4 + ahead },
      columnBytes: (4 * k) / (held === undefined ? 1 : PER_WORD[held]),
    },
    launched,
  );
}
