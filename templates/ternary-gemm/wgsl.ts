import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { ternaryGemm } from "../../ir/families/ternary-gemm.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, paddedColumns } from "../wgsl/gemm-tile.js";
import { directCounts, packedCounts, plainCounts, tiledCounts } from "./wgsl-counts.js";

/** Codes of one word. */
const GROUP = TERNARY_BLOCKS.wgsl.i8.k;

/** Layers from this many weights on run long enough to repay the compile time of unrolled loops. */
const UNROLL_WEIGHTS = 2 ** 20;

export const ternaryGemmWgsl = kernelTemplates(ternaryGemm.forms.wgsl, {
  configs({ params: { n, k, activations, group } }) {
    const unrolled = n * k >= UNROLL_WEIGHTS;
    const tile = group === undefined ? GEMM_TILE : ({ ...GEMM_TILE, blockM: 4 } as const);
    if (activations === "i8") {
      return [
        // Groups of one stage in workgroup memory: 64 rows x 64 codes, 5 KiB with padding.
        { variant: "int8-packed", ...tile, groups: 4 },
        { variant: "int8-plain", ...tile, unrolled },
      ];
    }
    return [
      { variant: "float-tiled", ...tile },
      { variant: "float-direct", ...tile, unrolled },
    ];
  },
  values: {
    "int8-packed": tiled,
    "int8-plain": (params, { unrolled, ...tile }) => ({ ...tiled(params, tile), ...unrolling(unrolled) }),
    "float-tiled": (params, tile) => ({ ...tiled(params, tile), k: params.k }),
    "float-direct": (params, { unrolled, ...tile }) => ({
      ...tiled(params, tile),
      ...unrolling(unrolled),
      k: params.k,
      overhang: params.k % GROUP !== 0,
      ragged: params.k % 4 !== 0,
    }),
  },
  cost: {
    "int8-packed": packedCounts,
    "int8-plain": plainCounts,
    "float-tiled": tiledCounts,
    "float-direct": directCounts,
  },
  header: ({ n, group }) => ({ lengths: group === undefined ? { bias: n, scales: n } : { bias: n } }),
});

function tiled(params: TernaryGemmParams, config: GemmTile): TemplateValues {
  return {
    ...config,
    epilogue: gemmEpilogue(params),
    kGroups: Math.ceil(params.k / GROUP),
    nPad: paddedColumns(params.n),
    grouped: params.group !== undefined,
    span: (params.group ?? 0) / GROUP,
  };
}

function unrolling(unrolled: boolean): TemplateValues {
  return { rolled: !unrolled, copies: unrolled ? 4 : 1 };
}
