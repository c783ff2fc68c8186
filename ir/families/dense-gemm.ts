import { HELD } from "../ops/held.js";
import { ACTIVATIONS } from "../ops/linears.js";
import { present, roundUp, rowArg, vectorArg, weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { narrowLayout, PER_WORD, SCALED } from "./contract/narrow.js";
import { flag, floats, optional, type ValuesOf, word } from "./contract/params.js";
import { DENSE_PANEL, denseLayout, denseMatrix } from "./contract/weights.js";
import { HARDWARE, SHADER_F16 } from "./launch/features.js";
import { form, range } from "./launch/form.js";
import {
  CUDA_FLOAT_DIMENSIONS,
  CUDA_TF32_DIMENSIONS,
  columnsFault,
  cudaFloatFault,
  cudaFloatTile,
  cudaTf32Fault,
  cudaTf32Tile,
  fewFault,
  GEMM_DIMENSIONS,
  gemmTile,
  STAGED_DIMENSIONS,
  stagedTile,
  vectorStagedTile,
} from "./launch/gemm-tile.js";

const params = {
  ...denseMatrix,
  activation: word(...ACTIVATIONS.oneOf),
  bias: flag,
  /** Gate and residual arguments are present. */
  gated: flag,
  /** What `x` and `out` are stored in; f32 if absent. */
  x: optional(floats),
  out: optional(floats),
  /** What weights are held in; f32 if absent. */
  held: optional(word(...HELD)),
  /** What operands may be rounded to before they are multiplied, tf32 by CUDA's kernels and f16 by WGSL's; f32 if absent. */
  products: optional(word("tf32", "f16")),
};
export type DenseGemmParams = ValuesOf<typeof params>;

const gemm = form<DenseGemmParams>();

/** Rows of codes are whole groups. */
function broken({ held, k }: DenseGemmParams): string | undefined {
  return held === undefined || held === "bf16" || k % SCALED === 0
    ? undefined
    : `rows of ${k} elements, which are no whole groups of ${SCALED}`;
}

/** Why operands are not rounded so. */
function halfFault({ products }: DenseGemmParams, operands: "f32" | "f16"): string | undefined {
  return operands === "f16" && products !== "f16" ? "operands are to stay f32" : undefined;
}

/** Bytes of a panel as floats: whole words of elements become floats. */
function watPanelBytes(k: number): number {
  return roundUp(k, 2) * DENSE_PANEL.wat * 4;
}

const wat = {
  float: gemm({
    dimensions: {
      tileN: range(8, 64, 8),
      tileM: [16, 32, 64, 128],
      rows: [2, 4, 6],
      unroll: [1, 2, 4, 8],
      columnsOutside: [false, true],
    },
    refuses: ({ held }) => (held === undefined ? undefined : `weights are held in ${held}`),
    launch: (_, { tileN, tileM }) => ({ tile: [tileN, tileM, 1] }),
  }),
  /** Each panel becomes floats in the scratch memory of a thread, for all rows of a tile. */
  narrow: gemm({
    dimensions: { tileN: range(8, 64, 8), tileM: [64, 128, 256], rows: [4], unroll: [1, 4] },
    refuses: (params) => (params.held === undefined ? "weights are held in f32" : broken(params)),
    launch: ({ k }, { tileN, tileM }) => ({ tile: [tileN, tileM, 1], sharedBytes: watPanelBytes(k) }),
  }),
} as const;

const wgsl = {
  tiled: gemm({
    dimensions: GEMM_DIMENSIONS,
    needs: () => [HARDWARE],
    refuses: (params, config) => columnsFault(params.n, gemmTile(config).tile[0]) ?? broken(params),
    launch: (_, config) => stagedTile(config),
  }),
  /** Reads ahead; `operands` is what rows and weights are in workgroup memory. */
  staged: gemm({
    dimensions: { ...STAGED_DIMENSIONS, operands: ["f32", "f16"] },
    needs: ({ operands }) => (operands === "f16" ? [HARDWARE, SHADER_F16] : [HARDWARE]),
    refuses: (params, config) =>
      halfFault(params, config.operands) ??
      columnsFault(params.n, gemmTile(config).tile[0]) ??
      broken(params),
    launch: (_, config) => vectorStagedTile(config, config.operands === "f16" ? 2 : 4),
    rounding: (_, { operands }) => (operands === "f16" ? "operands of f16" : ""),
  }),
  direct: gemm({
    dimensions: GEMM_DIMENSIONS,
    refuses: (params, config) => columnsFault(params.n, gemmTile(config).tile[0]) ?? broken(params),
    launch: (_, config) => gemmTile(config),
  }),
} as const;

const cuda = {
  tiled: gemm({
    dimensions: CUDA_FLOAT_DIMENSIONS,
    needs: () => ["sm_70"],
    refuses: (params, config) =>
      broken(params) ??
      cudaFloatFault(config, params.held === undefined ? 1 : PER_WORD[params.held]) ??
      fewFault(config),
    launch: ({ held, gated }, config) =>
      cudaFloatTile(config, (held === undefined ? 0 : 8) + (gated ? 4 : 0)),
    // Blocks of few rows have their threads share k.
    rounding: (_, { threadsY, groupsN }) => `${threadsY / groupsN} parts of k`,
  }),
  tf32: gemm({
    dimensions: CUDA_TF32_DIMENSIONS,
    needs: () => ["sm_80"],
    refuses: (params, config) =>
      (params.products !== "tf32" ? "products are those of f32" : broken(params)) ??
      cudaTf32Fault(config, params.held === undefined ? 1 : PER_WORD[params.held]),
    launch: (_, config) => cudaTf32Tile(config),
    rounding: () => "products of tf32",
  }),
} as const;

/**
 * y[M, n] = activation(x[M, k] · w[n, k]ᵀ + bias), then residual + gate · y when gated; arithmetic in f32, but for products of
 * tf32 where they are allowed: CUDA's alone makes use of it. Where f16 is allowed, WGSL kernels may bound operands to ±65504 and round
 * them to f16; their products and sums are f32.
 */
export const denseGemm = defineFamily({
  params,
  forms: { wat, wgsl, cuda },
  args: ({ n, k, bias, gated, x = "f32", out = "f32", held }) =>
    present([
      rowArg("x", x, k),
      held === undefined
        ? weightsArg("f32", denseLayout({ n, k }))
        : weightsArg("u32", narrowLayout({ n, k, held })),
      bias && wholeArg("bias", "f32", n),
      gated && vectorArg("gate", n),
      gated && rowArg("residual", "f32", n),
      rowArg("out", out, n, "write"),
    ]),
  grid: ({ n }) => [n, "rows", 1],
  assumes: ({ products }) => (products === "f16" ? [SHADER_F16] : []),
  operations: ({ n, k }, { rows }) => ({ f32: 2 * rows * n * k }),
});
