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
import { HARDWARE, PACKED_DOT, RELAXED_SIMD } from "./launch/features.js";
import { form, range, threads } from "./launch/form.js";
import { GEMM_DIMENSIONS, gemmTile, panelFault } from "./launch/gemm-tile.js";

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

function multiplies(
  { activations }: TernaryGemmParams,
  ...taken: readonly TernaryActivations[]
): string | undefined {
  return taken.includes(activations)
    ? undefined
    : `rows are ${activations}, and it multiplies ${taken.join(" or ")}`;
}

/** As `multiplies`, for kernels that take one scale for each channel. */
function multipliesRows(params: TernaryGemmParams, ...taken: readonly TernaryActivations[]) {
  const { group } = params;
  if (group === undefined) return multiplies(params, ...taken);
  return `scales are for groups of ${group} inputs, and it takes one for each channel`;
}

/** As `multiplies`, for kernels that take scales of groups. */
function multipliesGroups(params: TernaryGemmParams, ...taken: readonly TernaryActivations[]) {
  if (params.group !== undefined) return multiplies(params, ...taken);
  return "channels have one scale each, and it takes one for each group of inputs";
}

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

const wgsl = {
  "int8-packed": gemm({
    dimensions: { ...TILE, groups: [2, 4, 8] },
    needs: () => [HARDWARE, PACKED_DOT],
    refuses: (params, config) => multiplies(params, "i8") ?? panelFault(config),
    launch(_, config) {
      const shape = gemmTile(config);
      return { ...shape, sharedBytes: shape.tile[1] * (config.groups + 1) * 16 };
    },
  }),
  "int8-plain": gemm({
    dimensions: { ...TILE, unrolled: [true, false] },
    refuses: (params, config) => multiplies(params, "i8") ?? panelFault(config),
    launch: (_, config) => gemmTile(config),
  }),
  "float-tiled": gemm({
    dimensions: TILE,
    needs: () => [HARDWARE],
    refuses: (params, config) => multiplies(params, "f32") ?? panelFault(config),
    launch(_, config) {
      const shape = gemmTile(config);
      // 16 elements of k, and 4 against bank conflicts.
      return { ...shape, sharedBytes: shape.tile[1] * 5 * 16 };
    },
  }),
  "float-direct": gemm({
    dimensions: { ...TILE, unrolled: [true, false] },
    refuses: (params, config) => multiplies(params, "f32") ?? panelFault(config),
    launch: (_, config) => gemmTile(config),
  }),
} as const;

/** Staged sums of a consumer: 64 tokens by 128 channels in padded rows; 4 words for each of 128 channels and tokens. */
const HOPPER_CONSUMER_BYTES = 34_816 + 128 * 16;

/** What the blocks of sm_90a take besides stages, and for each stage. */
export function hopperBytes(
  { activations, group }: Pick<TernaryGemmParams, "activations" | "group">,
  consumers: number,
  tokens: number,
) {
  const elementBytes = activations === "i8" ? 1 : 2;
  const channels = 128 * consumers;
  const weights = (channels * 128) / 4;
  const scales = group === undefined ? 0 : channels * 4 * Math.ceil(128 / group);
  // A stage has two barriers of 8 bytes.
  const stage = tokens * 128 * elementBytes + weights + scales + 16;
  return { fixed: consumers * HOPPER_CONSUMER_BYTES, stage };
}

/** wgmma, fed by the bulk copy engine: a producer and consumers of 128 channels. */
const hopper = (taken: "i8" | "bf16") =>
  gemm({
    dimensions: { consumers: [2], tokens: [128], stages: range(2, 6) },
    needs: () => ["sm_90a"],
    refuses({ heads, ...params }) {
      // Of bf16 rows, whose unpacking takes more, there are no registers for a second set of sums.
      const wrong = taken === "i8" ? multiplies(params, taken) : multipliesRows(params, taken);
      if (wrong !== undefined || heads === undefined || suitsWarps(heads, params.n)) return wrong;
      return `heads of ${heads.headDim} channels are not those of neighbouring lanes`;
    },
    launch(params, { consumers, tokens, stages }) {
      const elementBytes = taken === "i8" ? 1 : 2;
      const bytes = hopperBytes(params, consumers, tokens);
      return {
        workgroup: threads(128 * (consumers + 1)),
        sharedBytes: bytes.fixed + stages * bytes.stage,
        // The kernel cuts tiles in halves where that busies more blocks.
        tile: [128 * consumers, tokens / 2, 1],
        persistent: true,
        tensorMaps: [
          {
            arg: 0,
            columns: taken === "i8" ? roundUp(params.k, 16) : params.k,
            rows: "launch",
            // 128 bytes of k.
            box: [128 / elementBytes, tokens / 2],
            swizzle: "128B",
          },
        ],
      };
    },
  });

/** Whether a head is the channels of neighbouring lanes of one warp, four each. */
function suitsWarps({ headDim, columns }: TernaryHeads, n: number): boolean {
  const wholeHeads = n % headDim === 0 && columns % (2 * headDim) === 0;
  return wholeHeads && [4, 8, 16, 32, 64, 128].includes(headDim);
}

/** Warps share a tile: each has groupsC x 16 channels and groupsT x 16 tokens; stages of 128 bytes of each token's row. */
const mma = (taken: "i8" | "bf16", needs: "sm_75" | "sm_80", stages: readonly number[]) =>
  gemm({
    dimensions: {
      warpsC: [4],
      warpsT: [2],
      groupsC: [2],
      groupsT: [4],
      stages,
      /** Tokens whose sums are staged at a time, on their way out. */
      stagedTokens: [16, 32, 64],
      /** Blocks that a multiprocessor should hold: bounds the registers of a thread. */
      blocks: [1, 2],
    },
    needs: () => [needs],
    refuses: (params) => multiplies(params, taken),
    launch(_, { warpsC, warpsT, groupsC, groupsT, stages, stagedTokens }) {
      const channels = warpsC * groupsC * 16;
      const tokens = warpsT * groupsT * 16;
      // Four words more from token to token: see stageFragment in cuda/ternary-fragments.cuh.
      const stagedBytes = stagedTokens * (channels + 4) * 4;
      return {
        workgroup: threads(32 * warpsC * warpsT),
        tile: [channels, tokens, 1],
        sharedBytes: Math.max(stages * tokens * 128, stagedBytes),
      };
    },
  });

/** 256 threads of 8 x 8 sums. */
const SIMT = { workgroup: threads(256), tile: [128, 128, 1] } as const;

const cuda = {
  "int8-hopper": hopper("i8"),
  "bf16-hopper": hopper("bf16"),
  "int8-mma": mma("i8", "sm_80", [2, 3, 4]),
  "int8-turing": mma("i8", "sm_75", [2]),
  "bf16-mma": mma("bf16", "sm_80", [2, 3, 4]),
  "int8-dp4a": gemm({
    dimensions: { stagedTokens: [64] },
    needs: () => ["sm_70"],
    refuses: (params) => multiplies(params, "i8"),
    // More than 128 k of weights and rows.
    launch: (_, { stagedTokens }) => ({ ...SIMT, sharedBytes: stagedTokens * (128 + 4) * 4 }),
  }),
  float: gemm({
    dimensions: {},
    needs: () => ["sm_70"],
    refuses: (params) => multiplies(params, "bf16", "f32"),
    launch: () => SIMT,
  }),
} as const;

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
 */
export const ternaryGemm = defineFamily({
  params,
  forms: { wat, wgsl, cuda },
  args(p) {
    const { n, k, group: inputs, out = "f32" } = p;
    const pairs = (p.heads?.headDim ?? 0) / 2;
    const rows = p.activations === "i8" ? quantizedArgs(k) : [rowArg("x", p.activations, k)];
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
  operations({ n, k, activations: rows }, launch) {
    return { [rows === "i8" ? "int8" : rows]: 2 * launch.rows * n * k };
  },
});
