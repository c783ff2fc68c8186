import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import { lanesFeature, MATRIX_SHAPES, matrixFeature } from "../../ir/families/launch/features.js";
import { type GemmTile, gemmTile, type StagedTile } from "../../ir/families/launch/gemm-tile.js";
import {
  MATRIX_DIMENSIONS,
  type MatrixConfig,
  matrixPitch,
  matrixSizes,
  matrixTile,
} from "../../ir/families/launch/matrix-tile.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { ternaryGemm } from "../../ir/families/ternary-gemm.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { exactly } from "../wgsl/exactly.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, isBeyond, paddedColumns } from "../wgsl/gemm-tile.js";
import { matrixCounts } from "./matrix-counts.js";
import { directCounts, packedCounts, plainCounts, tiledCounts } from "./wgsl-counts.js";
import { int8StagedCounts, stagedCounts } from "./wgsl-staged-counts.js";

/** Codes of one word. */
const GROUP = TERNARY_BLOCKS.wgsl.i8.k;

/** Layers from this many weights on run long enough to repay the compile time of unrolled loops. */
const UNROLL_WEIGHTS = 2 ** 20;

export const ternaryGemmWgsl = kernelTemplates(ternaryGemm.forms.wgsl, {
  configs({ params: { n, k, activations, group }, device }) {
    const unrolled = n * k >= UNROLL_WEIGHTS;
    const tile = group === undefined ? GEMM_TILE : ({ ...GEMM_TILE, blockM: 4 } as const);
    if (activations === "i8") {
      return [
        // Groups of one stage in workgroup memory: 64 rows x 64 codes, 5 KiB with padding.
        { variant: "int8-packed", ...tile, groups: 4 },
        // The same tile by more invocations.
        { variant: "int8-staged", ...tile, threadsX: 16, blockN: 4, groups: 4, buffers: 2 },
        { variant: "int8-plain", ...tile, unrolled },
        ...matrices("i8", device.features),
      ];
    }
    return [
      { variant: "float-tiled", ...tile },
      { variant: "float-staged", ...tile, stage: 16, buffers: 1 },
      { variant: "float-direct", ...tile, unrolled },
      ...(activations === "f16" ? matrices("f16", device.features) : []),
    ];
  },
  values: {
    matrix,
    "int8-packed": tiled,
    "int8-staged": int8Staged,
    "int8-plain": (params, { unrolled, ...tile }) => ({ ...tiled(params, tile), ...unrolling(unrolled) }),
    "float-tiled": (params, tile) => ({ ...tiled(params, tile), ...multiplied(params), k: params.k }),
    "float-staged": staged,
    "float-direct": (params, { unrolled, ...tile }) => ({
      ...tiled(params, tile),
      ...multiplied(params),
      ...unrolling(unrolled),
      k: params.k,
      overhang: params.k % GROUP !== 0,
      ragged: params.k % 4 !== 0,
    }),
  },
  // Matrices of subgroups are an experiment.
  measuredOnly: ["matrix"],
  cost: {
    matrix: matrixCounts,
    "int8-packed": packedCounts,
    "int8-staged": int8StagedCounts,
    "int8-plain": plainCounts,
    "float-tiled": tiledCounts,
    "float-staged": stagedCounts,
    "float-direct": directCounts,
  },
  header: ({ n, group }, { variant }) => ({
    lengths: group === undefined ? { bias: n, scales: n } : { bias: n },
    ...(variant === "float-staged" ? { elements: { x: "vec4<f32>" } } : {}),
    ...(variant === "int8-staged" ? { elements: { q: "vec4<u32>", weights: "vec4<u32>" } } : {}),
  }),
});

function tiled(params: TernaryGemmParams, config: GemmTile): TemplateValues {
  return {
    ...config,
    epilogue: gemmEpilogue(params),
    kGroups: Math.ceil(params.k / GROUP),
    nPad: paddedColumns(params.n),
    beyond: isBeyond(params.n, gemmTile(config).tile),
    grouped: params.group !== undefined,
    span: (params.group ?? 0) / GROUP,
  };
}

type Int8Staged = GemmTile & { readonly groups: number; readonly buffers: number };

function int8Staged(params: TernaryGemmParams, { groups, buffers, ...tile }: Int8Staged): TemplateValues {
  const { blockN: _, nPad: __, ...values } = tiled(params, tile);
  const { threadsX, blockM, blockN } = tile;
  return {
    ...values,
    groups,
    buffers,
    vectors: exactly(blockN, 4, "columns of one invocation"),
    nVectors: exactly(paddedColumns(params.n), 4, "columns of the weight layout"),
    rowLoads: Math.ceil((blockM * groups) / threadsX),
  };
}

function staged(params: TernaryGemmParams, { stage, buffers, ...tile }: StagedTile): TemplateValues {
  const { k, group = 0 } = params;
  const { workgroup, tile: covered } = gemmTile(tile);
  const [columns, rows] = covered;
  const threads = workgroup[0] * workgroup[1];
  const words = stage / GROUP;
  return {
    ...tiled(params, tile),
    ...multiplied(params),
    k,
    words,
    buffers,
    rowLoads: Math.ceil((rows * stage) / 4 / threads),
    wordLoads: Math.ceil((columns * words) / threads),
    overhang: k % stage !== 0,
    ragged: k % 4 !== 0,
    span: group / stage,
  };
}

/** Tiles of 64 x 64, which others have too, for the matrices that a device multiplies; last, for nobody has measured any. */
function matrices(operands: MatrixConfig["operands"], features: readonly string[]) {
  const lanes = MATRIX_DIMENSIONS.lanes.filter((count) => features.includes(lanesFeature(count)));
  return MATRIX_SHAPES.filter((shape) => features.includes(matrixFeature(operands, shape))).flatMap(
    (shape) => {
      const { m, n } = matrixSizes(shape);
      const blocks = (size: number) => (size === 8 ? 4 : 2);
      const own = {
        operands,
        shape,
        subgroupsX: 2,
        subgroupsY: 2,
        blocksM: blocks(m),
        blocksN: blocks(n),
        stage: 32,
      } as const;
      return lanes.map((count) => ({ variant: "matrix", ...own, lanes: count }) as const);
    },
  );
}

function matrix(params: TernaryGemmParams, config: MatrixConfig): TemplateValues {
  const { operands, shape, lanes, subgroupsX, subgroupsY, blocksM, blocksN, stage } = config;
  const half = operands === "f16";
  const { m, n, k } = matrixSizes(shape);
  const { tile, workgroup } = matrixTile(config);
  const perWord = half ? 1 : 4;
  return {
    epilogue: gemmEpilogue(params),
    half,
    element: operands,
    word: half ? "f16" : "i32",
    sum: half ? "f32" : "i32",
    mRows: m,
    nColumns: n,
    products: k,
    threads: workgroup[0],
    lanes,
    subgroups: subgroupsX * subgroupsY,
    subgroupsX,
    blocksM,
    blocksN,
    tileM: tile[1],
    tileN: tile[0],
    stageGroups: stage / GROUP,
    perWord,
    pitch: matrixPitch(config) / perWord,
    k: params.k,
    kGroups: Math.ceil(params.k / GROUP),
    nPad: paddedColumns(params.n),
    beyond: isBeyond(params.n, tile),
  };
}

function multiplied({ activations }: TernaryGemmParams): TemplateValues {
  const half = activations === "f16";
  return { half, element: half ? "f16" : "f32" };
}

function unrolling(unrolled: boolean): TemplateValues {
  return { rolled: !unrolled, copies: unrolled ? 4 : 1 };
}
