import { ACTIVATIONS } from "../ops/linears.js";
import { GROUP_SIZES, groupsOf } from "../ternary/groups.js";
import {
  present,
  quantizedArgs,
  roundUp,
  rowArg,
  vectorArg,
  weightsArg,
  wholeArg,
} from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { among, flag, floats, group, optional, real, size, type ValuesOf, word } from "./contract/params.js";
import { denseLayout, ternaryLayout, ternaryMatrix } from "./contract/weights.js";
import { HARDWARE, PACKED_DOT, RELAXED_SIMD, SHADER_F16 } from "./launch/features.js";
import { type Form, form, range } from "./launch/form.js";
import {
  columnsFault,
  GEMM_DIMENSIONS,
  type GemmTile,
  gemmTile,
  rowStagedTile,
  STAGED_DIMENSIONS,
} from "./launch/gemm-tile.js";
import { MATRIX_DIMENSIONS, matrixNeeds, matrixSizes, matrixTile } from "./launch/matrix-tile.js";
import { TERNARY_CUDA } from "./launch/ternary-cuda.js";
import { multiplies, multipliesGroups, multipliesRows } from "./launch/ternary-rows.js";

/**
 * Columns [0, columns/2) are heads of q, [columns/2, columns) of k: each head of `headDim` channels becomes
 * rope(rmsNorm(y)·weight) as in qk-norm-rope, after scales and bias. The others are stored as they are.
 * Arguments: headWeights[2·headDim] (q's, then k's), cos and sin [M, headDim/2].
 */
const heads = { columns: size, headDim: size, epsilon: real };

const params = {
  ...ternaryMatrix,
  /** Inputs of a channel that share a scale, fewer than k; a channel's all if absent. */
  group: optional(among(...GROUP_SIZES)),
  bias: flag,
  activation: word(...ACTIVATIONS.oneOf),
  /** Gate and residual arguments are present. */
  gated: flag,
  /** Columns of heads of q and k are normalized and rotated; without activation and gate. */
  heads: optional(group(heads)),
  /** What `out` is stored in; f32 if absent. */
  out: optional(floats),
};
export type TernaryGemmParams = ValuesOf<typeof params>;
export type TernaryActivations = TernaryGemmParams["activations"];
export type TernaryHeads = ValuesOf<typeof heads>;

const gemm = form<TernaryGemmParams>();

const watTile = ({ tileN, tileM }: { readonly tileN: number; readonly tileM: number }) =>
  ({ tile: [tileN, tileM, 1] }) as const;

/** Columns of a tile are whole blocks of the weights' layout. */
const WAT_COLUMNS = range(8, 64, 8);
const WAT_ROWS = [16, 32, 64, 128] as const;

/** Bytes of a thread's scratch memory for a panel of decoded codes, and the sums of a tile between panels. */
function floatBytes(config: {
  readonly panel: number;
  readonly kBlock: number;
  readonly tileM: number;
  readonly tileN: number;
}): number {
  return 4 * (config.panel * config.kBlock + config.tileM * config.tileN);
}

const wat = {
  /** Bytes times codes in one instruction of relaxed SIMD. */
  "int8-relaxed": gemm({
    dimensions: { tileN: WAT_COLUMNS, tileM: WAT_ROWS, rows: [2, 4, 6] },
    needs: () => [RELAXED_SIMD],
    refuses: (params) => multipliesRows(params, "i8"),
    launch: (_, config) => watTile(config),
  }),
  int8: gemm({
    dimensions: { tileN: WAT_COLUMNS, tileM: WAT_ROWS, rows: [2, 3, 4] },
    refuses: (params) => multipliesRows(params, "i8"),
    launch: (_, config) => watTile(config),
  }),
  "int8-relaxed-groups": gemm({
    dimensions: { tileN: WAT_COLUMNS, tileM: WAT_ROWS, rows: [2, 4, 6] },
    needs: () => [RELAXED_SIMD],
    refuses: (params) => multipliesGroups(params, "i8"),
    // For each row 8 sums, and that of the codes of each group.
    launch: ({ k, group = null }, config) => ({
      ...watTile(config),
      sharedBytes: config.rows * (32 + 4 * groupsOf(k, group)),
    }),
  }),
  "int8-groups": gemm({
    dimensions: { tileN: WAT_COLUMNS, tileM: WAT_ROWS, rows: [2, 3, 4] },
    refuses: (params) => multipliesGroups(params, "i8"),
    launch: (_, config) => watTile(config),
  }),
  /** Panels of codes decoded to floats, for many rows. */
  float: gemm({
    dimensions: {
      relaxed: [true, false],
      tileN: WAT_COLUMNS,
      tileM: WAT_ROWS,
      panel: [8],
      kBlock: range(16, 256, 16),
      rows: [4, 6, 8],
      panelRows: [4],
      unroll: [2],
    },
    needs: ({ relaxed }) => (relaxed ? [RELAXED_SIMD] : []),
    refuses(params, { kBlock }) {
      const wrong = multipliesRows(params, "f32");
      if (wrong !== undefined || kBlock <= roundUp(params.k, 16)) return wrong;
      return `a block of ${kBlock} k is more than a row has`;
    },
    launch: (_, config) => ({ ...watTile(config), sharedBytes: floatBytes(config) }),
  }),
  /** The same, a group of inputs in a panel. */
  "float-groups": gemm({
    dimensions: {
      relaxed: [true, false],
      tileN: WAT_COLUMNS,
      tileM: WAT_ROWS,
      panel: [8],
      kBlock: GROUP_SIZES,
      rows: [4, 6, 8],
      panelRows: [4],
      unroll: [2],
    },
    needs: ({ relaxed }) => (relaxed ? [RELAXED_SIMD] : []),
    refuses(params, { kBlock }) {
      const wrong = multipliesGroups(params, "f32");
      if (wrong !== undefined || kBlock === params.group) return wrong;
      return `a panel of ${kBlock} inputs is no group of ${params.group}`;
    },
    launch: (_, config) => ({ ...watTile(config), sharedBytes: floatBytes(config) }),
  }),
} as const;

const TILE = GEMM_DIMENSIONS;

const tooWide = ({ n }: TernaryGemmParams, config: GemmTile) => columnsFault(n, gemmTile(config).tile[0]);

const wgsl = {
  /** Matrices of subgroups: int8 sums are whole, f16 products have f32 sums. */
  matrix: gemm({
    dimensions: MATRIX_DIMENSIONS,
    needs: matrixNeeds,
    refuses(params, config) {
      const wrong = multipliesRows(params, config.operands);
      if (wrong !== undefined) return wrong;
      const { tile } = matrixTile(config);
      const { k } = matrixSizes(config.shape);
      if (config.stage % k !== 0) return `a stage of ${config.stage} is no multiple of ${k} products`;
      return columnsFault(params.n, tile[0]);
    },
    launch: (_, config) => matrixTile(config),
  }),
  "int8-packed": gemm({
    dimensions: { ...TILE, groups: [2, 4, 8] },
    needs: () => [HARDWARE, PACKED_DOT],
    refuses: (params, config) => multiplies(params, "i8") ?? tooWide(params, config),
    launch(_, config) {
      const shape = gemmTile(config);
      return { ...shape, sharedBytes: shape.tile[1] * (config.groups + 1) * 16 };
    },
  }),
  /** The same, read in vectors and ahead. */
  "int8-staged": gemm({
    dimensions: { ...TILE, groups: [2, 4, 8], buffers: [1, 2] },
    needs: () => [HARDWARE, PACKED_DOT],
    refuses: (params, config) => multiplies(params, "i8") ?? tooWide(params, config),
    launch(_, config) {
      const shape = gemmTile(config);
      return { ...shape, sharedBytes: config.buffers * shape.tile[1] * (config.groups + 1) * 16 };
    },
  }),
  "int8-plain": gemm({
    dimensions: { ...TILE, unrolled: [true, false] },
    refuses: (params, config) => multiplies(params, "i8") ?? tooWide(params, config),
    launch: (_, config) => gemmTile(config),
  }),
  "float-tiled": gemm({
    dimensions: TILE,
    needs: () => [HARDWARE],
    refuses: (params, config) => multiplies(params, "f32", "f16") ?? tooWide(params, config),
    launch({ activations }, config) {
      const shape = gemmTile(config);
      // 16 elements of k, and 4 against bank conflicts.
      return { ...shape, sharedBytes: shape.tile[1] * 5 * (activations === "f16" ? 8 : 16) };
    },
  }),
  /** Codes become floats once for all rows of a tile. */
  "float-staged": gemm({
    dimensions: STAGED_DIMENSIONS,
    needs: () => [HARDWARE],
    refuses: (params, config) => multiplies(params, "f32", "f16") ?? tooWide(params, config),
    launch: ({ activations }, config) => rowStagedTile(config, activations === "f16" ? 2 : 4),
  }),
  "float-direct": gemm({
    dimensions: { ...TILE, unrolled: [true, false] },
    refuses: (params, config) => multiplies(params, "f32", "f16") ?? tooWide(params, config),
    launch: (_, config) => gemmTile(config),
  }),
} as const;

/** Those forms with all parameters. */
type CudaForms = {
  readonly [V in keyof typeof TERNARY_CUDA]: Form<TernaryGemmParams, (typeof TERNARY_CUDA)[V]["dimensions"]>;
};
const cuda: CudaForms = TERNARY_CUDA;

/** Scales [n, groups] as unpack-dense leaves them. */
function groupScalesArg(n: number, groups: number) {
  return weightsArg("f32", denseLayout({ n, k: groups }), "read", "scales");
}

/**
 * y[M, n] = activation(scales · (t[n, k] · x[M, k]) + bias), then residual + gate · y when gated.
 * With i8 rows the accumulator is the exact integer Σ u·q, u = t + 1, and
 * y = (f32(acc − rowSum) · rowScale) · scale + bias.
 *
 * With groups, scales are [n, groups] in the layout of dense weights, and the sum of each group, an exact integer with i8
 * rows, is promoted in order: y = (((f32(Σ t·q) · scale of group 0) + f32(Σ t·q) · scale of group 1) + …) · rowScale + bias,
 * products and sums rounded each. There is no rowSum.
 *
 * With f16 rows x is bounded to ±16376, so that four of them have a sum, and rounded to f16; products with t are exact, sums of
 * four are rounded to f16 one by one, and everything behind them is f32.
 */
export const ternaryGemm = defineFamily({
  params,
  forms: { wat, wgsl, cuda },
  args(p) {
    const { n, k, group: inputs, out = "f32" } = p;
    const pairs = (p.heads?.headDim ?? 0) / 2;
    // Rows of f16 are rounded where they are read: between kernels they stay in f32.
    const stored = p.activations === "bf16" ? "bf16" : "f32";
    const rows = p.activations === "i8" ? quantizedArgs(k) : [rowArg("x", stored, k)];
    return present([
      ...(inputs === undefined ? rows : rows.filter(({ name }) => name !== "rowSum")),
      weightsArg("u32", ternaryLayout(p)),
      inputs === undefined ? wholeArg("scales", "f32", n) : groupScalesArg(n, groupsOf(k, inputs)),
      p.bias && wholeArg("bias", "f32", n),
      p.gated && vectorArg("gate", n),
      p.gated && rowArg("residual", "f32", n),
      p.heads !== undefined && wholeArg("headWeights", "f32", 4 * pairs),
      p.heads !== undefined && rowArg("cos", "f32", pairs),
      p.heads !== undefined && rowArg("sin", "f32", pairs),
      rowArg("out", out, n, "write"),
    ]);
  },
  grid: ({ n }) => [n, "rows", 1],
  assumes: ({ activations }) => (activations === "f16" ? [SHADER_F16] : []),
  operations({ n, k, activations: rows }, launch) {
    // f16 counts with f32: nobody is told the rates of devices that have it.
    const arithmetic = rows === "i8" ? "int8" : rows === "bf16" ? "bf16" : "f32";
    return { [arithmetic]: 2 * launch.rows * n * k };
  },
});
