import { roundUp } from "../contract/arguments.js";
import { type ConfigOf, form, range, threads } from "./form.js";
import { multiplies, multipliesRows, type TernaryRows } from "./ternary-rows.js";

/** As ternary-gemm's parameters. */
interface Params extends TernaryRows {
  readonly n: number;
  readonly k: number;
  readonly heads?: { readonly columns: number; readonly headDim: number } | undefined;
}

const gemm = form<Params>();

/** Integers add up to the same in any order; floats and the squares of heads in the order of a form's instructions. */
function order({ activations, heads }: Params): string {
  if (activations !== "i8") return "products";
  return heads === undefined ? "" : "heads";
}

/** Rows of tiles that blocks at work together go down before they turn to the next column, so that they share L2. */
const RASTER = [4, 8, 16] as const;

/** Bytes of a block's factors: scale and bias of a channel, scale and sum of a row. */
function factorBytes(channels: number, tokens: number): number {
  return (channels + tokens) * 8;
}

/** Staged sums of a consumer: 64 tokens by 128 channels in padded rows. */
const HOPPER_STAGED_BYTES = 34_816;
const CONSUMER_CHANNELS = 128;
/** Registers of an SM that a producer's warpgroup keeps for each of its threads, and those of a consumer at most. */
const PRODUCER_REGISTERS = { rows: 40, groups: 24 } as const;
const MOST_REGISTERS = { rows: 232, groups: 240 } as const;

/** Two more barriers for each consumer of blocks that share a row's inputs. */
const SPLIT_BYTES = 16;

/** What the blocks of sm_90a take besides stages, and for each stage. */
export function hopperBytes(
  { activations, group }: Pick<Params, "activations" | "group">,
  consumers: number,
  tokens: number,
  split = 1,
) {
  const elementBytes = activations === "i8" ? 1 : 2;
  const channels = CONSUMER_CHANNELS * consumers;
  const weights = (channels * 128) / 4;
  const scales = group === undefined ? 0 : channels * 4 * Math.ceil(128 / group);
  // Swizzled tiles begin at multiples of 1024; a stage has two barriers of 8 bytes.
  const stage = roundUp(tokens * 128 * elementBytes + weights + scales, 1024) + 16;
  // Factors of so many tokens as a tile of 128 has, whatever the tile.
  const exchange = split > 1 ? SPLIT_BYTES : 0;
  return { fixed: consumers * (HOPPER_STAGED_BYTES + factorBytes(CONSUMER_CHANNELS, 128) + exchange), stage };
}

/**
 * Registers of a producer's and of a consumer's threads, which a block's warpgroups share out among themselves: multiples of 8
 * whose sum is what the block has at first.
 */
export function hopperRegisters({ group }: Pick<Params, "group">, consumers: number, blocks: number) {
  const scales = group === undefined ? "rows" : "groups";
  const producer = PRODUCER_REGISTERS[scales];
  // What a thread has at first: the compiler rounds down to 8.
  const each = Math.floor(65_536 / blocks / (128 * (consumers + 1)) / 8) * 8;
  const left = ((consumers + 1) * Math.min(each, 168) - producer) / consumers;
  return { producer, consumer: Math.min(MOST_REGISTERS[scales], Math.floor(left / 8) * 8) };
}

/** Whether a head is the channels of neighbouring lanes of one warp, four each. */
function suitsWarps({ headDim, columns }: NonNullable<Params["heads"]>, n: number): boolean {
  const wholeHeads = n % headDim === 0 && columns % (2 * headDim) === 0;
  return wholeHeads && [4, 8, 16, 32, 64, 128].includes(headDim);
}

/** Stages that each of the blocks has at least that share a row's inputs: fewer are over before the first is there. */
const LEAST_STAGES = 2;

/** Why blocks do not share the inputs of a row; undefined where they do. */
function splitFault({ k, group }: Params, split: number): string | undefined {
  if (split === 1) return undefined;
  if (group !== undefined)
    return "groups of inputs are added in order, and blocks that share a row's would not";
  const stages = Math.ceil(k / 128);
  return stages >= LEAST_STAGES * split
    ? undefined
    : `rows are ${stages} times 128 inputs, and ${split} blocks that share them take ${LEAST_STAGES * split}`;
}

/** wgmma, fed by the bulk copy engine: a producer and consumers of 128 channels. */
const hopper = (taken: "i8" | "bf16") =>
  gemm({
    dimensions: {
      consumers: [1, 2],
      tokens: [64, 128],
      stages: range(2, 8),
      /** Tiles of tokens that all channels take before the next ones. */
      raster: RASTER,
      /** Blocks that share a multiprocessor. */
      blocks: [1, 2],
      /** Blocks of a cluster that share the inputs of a tile's rows, and then the rows of its sums. */
      split: [1, 2, 4, 8],
      /** Blocks of a cluster that take neighbouring channels, and inputs of rows from each other's loads. */
      multicast: [1, 2],
    },
    needs: () => ["sm_90a"],
    refuses({ heads, ...params }, { consumers, tokens, blocks, split, multicast }) {
      // Of bf16 rows, whose unpacking takes more, there are no registers for a second set of sums.
      const wrong = taken === "i8" ? multiplies(params, taken) : multipliesRows(params, taken);
      if (wrong !== undefined) return wrong;
      if (heads !== undefined && !suitsWarps(heads, params.n)) {
        return `heads of ${heads.headDim} channels are not those of neighbouring lanes`;
      }
      if (split > 1 && multicast > 1) return "blocks of a cluster share channels or inputs, not both";
      if (multicast > 1 && params.group !== undefined) {
        return "with scales of groups there are no registers for the cluster's barriers";
      }
      if (multicast > 1 && params.n <= CONSUMER_CHANNELS * consumers) {
        return `${params.n} channels are one tile, and ${multicast} blocks that share rows take more`;
      }
      const unshared = splitFault(params, split);
      if (unshared !== undefined) return unshared;
      // Sums of 128 channels and all tokens, besides those of a group of inputs; codes, fragments and addresses.
      const taking = params.group === undefined ? tokens + 80 : tokens * 1.5 + 48;
      const { consumer } = hopperRegisters(params, consumers, blocks);
      return taking <= consumer
        ? undefined
        : `about ${taking} registers a thread, and ${blocks} blocks of ${consumers} consumers leave it ${consumer}`;
    },
    launch(params, { consumers, tokens, stages, blocks, split, multicast }) {
      const elementBytes = taken === "i8" ? 1 : 2;
      const bytes = hopperBytes(params, consumers, tokens, split);
      return {
        workgroup: threads(128 * (consumers + 1)),
        sharedBytes: bytes.fixed + stages * bytes.stage,
        blocks,
        // The kernel cuts tiles in halves where that busies more blocks.
        tile: [CONSUMER_CHANNELS * consumers * multicast, 64, 1],
        persistent: true,
        cluster: split * multicast,
        tensorMaps: [
          {
            arg: 0,
            columns: taken === "i8" ? roundUp(params.k, 16) : params.k,
            rows: "launch",
            // 128 bytes of k.
            box: [128 / elementBytes, 64],
            swizzle: "128B",
          },
        ],
      };
    },
    rounding(params, { split }) {
      const text = order(params);
      return taken === "i8" || split === 1 ? text : `${text} in ${split} parts`;
    },
  });

/** Registers of a thread besides its sums and fragments of weights: addresses, fragments of rows, the loop. */
const MMA_REGISTERS = 40;
/** Tokens whose sums are staged at a time: as many as fit where the stages lie. */
const STAGED_TOKENS = [64, 32, 16] as const;
const MOST_BLOCKS = 4;

interface WarpTile {
  readonly warpsC: number;
  readonly warpsT: number;
  readonly groupsC: number;
  readonly groupsT: number;
  readonly stages: number;
}

/** A tile that warps share, and what it takes of shared memory. */
export function warpTile({ warpsC, warpsT, groupsC, groupsT, stages }: WarpTile) {
  const channels = warpsC * groupsC * 16;
  const tokens = warpsT * groupsT * 16;
  const stageBytes = stages * tokens * 128;
  // Four words more from token to token: see stageFragment in cuda/ternary-fragments.cuh.
  const stagedBytes = (staged: number) => staged * (channels + 4) * 4 + factorBytes(channels, tokens);
  const possible = STAGED_TOKENS.filter((staged) => (groupsT * 16) % staged === 0);
  const stagedTokens = possible.find((staged) => stagedBytes(staged) <= stageBytes) ?? 16;
  return {
    ...{ channels, tokens, stagedTokens },
    threads: 32 * warpsC * warpsT,
    sharedBytes: Math.max(stageBytes, stagedBytes(stagedTokens)),
  };
}

/**
 * How many times a thread keeps its sums, about. With scales of groups it has its results besides; and where few instructions make a
 * group, nvcc begins the next ones before it promotes the last, on sm_80 and later ones.
 */
function timesSums({ group, activations }: Params, needs: "sm_75" | "sm_80"): number {
  if (group === undefined) return 1;
  if (needs === "sm_75" || group > 64) return 2;
  if (activations === "i8") return group === 32 ? 3.5 : 2.5;
  return group === 32 ? 2.75 : 2;
}

/**
 * Registers that a thread takes; with scales of groups an upper bound of what nvcc 13.0 needs for sm_75, sm_80 and sm_120a without
 * spilling, in all tiles.
 */
function warpRegisters(params: Params, { groupsC, groupsT }: WarpTile, needs: "sm_75" | "sm_80"): number {
  const sums = groupsC * groupsT * 8;
  return Math.ceil(sums * timesSums(params, needs)) + 12 * groupsC + MMA_REGISTERS;
}

/** Why warps cannot share a tile so; `turns`: rounds in which the threads load the rows of a stage, at least. */
function warpTileFault(params: Params, config: WarpTile, turns: number): string | undefined {
  const { channels, tokens, threads } = warpTile(config);
  const { warpsC, warpsT, groupsC, groupsT } = config;
  if (warpsC * warpsT < 2 || warpsC * warpsT > 8) return `${warpsC * warpsT} warps, and it takes 2 to 8`;
  if (channels < 64 || channels > 256) return `tiles of ${channels} channels, and it takes 64 to 256`;
  if (groupsT > 4 * groupsC || groupsC * groupsT > 16 || (groupsC === 1 && groupsT > 2)) {
    return `${groupsC * 16} channels by ${groupsT * 16} tokens of a warp, and it takes up to 16 by 32, 32 by 128 and 64 by 64`;
  }
  if (tokens % ((threads / 8) * turns) !== 0) {
    return `${threads} threads load ${threads / 8} rows at a time, and ${tokens} are no multiple of ${(threads / 8) * turns}`;
  }
  if (params.heads !== undefined && channels % 128 !== 0) {
    return `tiles of ${channels} channels, and heads take whole warps of 128`;
  }
  return undefined;
}

/** Why a kernel is not to be compiled for so few blocks: the compiler has no use for the registers that they leave. */
function blocksFault(threads: number, registers: number, blocks: number): string | undefined {
  const fitting = Math.floor(65_536 / (threads * registers));
  return blocks >= Math.min(MOST_BLOCKS, fitting) - 1
    ? undefined
    : `of about ${registers} registers a thread ${fitting} blocks fit anyway`;
}

/** Warps share a tile: each has groupsC x 16 channels and groupsT x 16 tokens; stages of 128 bytes of each token's row. */
const mma = (taken: "i8" | "bf16", needs: "sm_75" | "sm_80", stages: readonly number[]) =>
  gemm({
    dimensions: {
      warpsC: [1, 2, 4],
      warpsT: [1, 2, 4],
      groupsC: [1, 2, 4],
      groupsT: [1, 2, 4, 8],
      stages,
      raster: RASTER,
      /** Blocks that a multiprocessor should hold: bounds the registers of a thread. */
      blocks: [1, 2, 3, 4],
    },
    needs: () => [needs],
    refuses: (params, config) =>
      multiplies(params, taken) ??
      warpTileFault(params, config, needs === "sm_75" ? 2 : 1) ??
      blocksFault(warpTile(config).threads, warpRegisters(params, config, needs), config.blocks),
    launch(params, config) {
      const { channels, tokens, threads: count, sharedBytes } = warpTile(config);
      return {
        workgroup: threads(count),
        tile: [channels, tokens, 1],
        sharedBytes,
        blocks: config.blocks,
        registers: warpRegisters(params, config, needs),
      };
    },
    rounding: (params) => order(params),
  });

/** 256 threads of 8 x 8 sums, twice as many where groups have a scale each. */
const simt = ({ group }: Params, blocks: number) =>
  ({
    workgroup: threads(256),
    tile: [128, 128, 1],
    blocks,
    registers: group === undefined ? 104 : 168,
  }) as const;

/** The forms of ternary-gemm for CUDA. */
export const TERNARY_CUDA = {
  "int8-hopper": hopper("i8"),
  "bf16-hopper": hopper("bf16"),
  "int8-mma": mma("i8", "sm_80", [2, 3, 4]),
  "int8-turing": mma("i8", "sm_75", [2]),
  "bf16-mma": mma("bf16", "sm_80", [2, 3, 4]),
  "int8-dp4a": gemm({
    dimensions: { stagedTokens: [16, 32, 64], blocks: [1, 2] },
    needs: () => ["sm_70"],
    refuses: (params) => multiplies(params, "i8"),
    launch: (params, { stagedTokens, blocks }) => ({
      ...simt(params, blocks),
      // 128 k of weights and rows, in whose place the sums are staged.
      sharedBytes: Math.max(4 * (128 * 8 + 128 * 36), stagedTokens * (128 + 4) * 4),
    }),
    rounding: (params) => order(params),
  }),
  float: gemm({
    dimensions: { unroll: [2, 4, 8], blocks: [1, 2] },
    needs: () => ["sm_70"],
    refuses: (params) => multiplies(params, "bf16", "f32"),
    launch: (params, { blocks }) => simt(params, blocks),
    rounding: (params) => order(params),
  }),
} as const;

export type WarpsConfig = ConfigOf<(typeof TERNARY_CUDA)["int8-mma" | "int8-turing"]["dimensions"]>;
export type HopperConfig = ConfigOf<(typeof TERNARY_CUDA)["int8-hopper"]["dimensions"]>;
