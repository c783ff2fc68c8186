/** Counts of the ternary products in WGSL: the loops of the templates beside, for an invocation and a word of 16 codes. */
import { paddedK } from "../../ir/families/contract/arguments.js";
import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import type { Counts, Launched } from "../choice/cost.js";
import { BARRIER, type Invocation, total } from "../wgsl/counts.js";
import { distinctOf, gemmCounts, storing } from "../wgsl/gemm-counts.js";

/** Codes of one word. */
const CODES = TERNARY_BLOCKS.wgsl.i8.k;
/** Steps of four codes that a word is taken in. */
const STEPS = CODES / 4;
/** Instructions of a loop for each turn. */
const TURN = 3;

/**
 * Counts of an invocation that takes its inputs in so many turns, and has `operands` registers beside its results. Results of groups of
 * inputs are added once for each group.
 */
export function productCounts(
  params: TernaryGemmParams,
  tile: GemmTile,
  turns: readonly [count: number, turn: Invocation],
  operands: number,
  launched: Launched,
): Counts {
  const { n, k, group, activations } = params;
  const { blockM, blockN } = tile;
  const results = blockM * blockN;
  const scales: Invocation = { loads: blockN, other: 2 * results, fused: results };
  const invocation = total([
    turns,
    [group === undefined ? 0 : groupsOf(k, group), scales],
    [results, storing(params)],
  ]);
  const rowBytes = activations === "i8" ? paddedK(k) : 4 * k;
  return gemmCounts(
    invocation,
    tile,
    {
      ...{ n, rowBytes, columnBytes: paddedK(k) / 4, resultBytes: 4 * n },
      operands: operands + (group === undefined ? 0 : results),
    },
    launched,
  );
}

function counts(
  params: TernaryGemmParams,
  tile: GemmTile,
  word: Invocation,
  operands: number,
  launched: Launched,
): Counts {
  return productCounts(params, tile, [Math.ceil(params.k / CODES), word], operands, launched);
}

/** Packed dot products; rows go through workgroup memory. */
export function packedCounts(
  params: TernaryGemmParams,
  { groups, ...tile }: GemmTile & { readonly groups: number },
  launched: Launched,
): Counts {
  const { threadsX, blockM, blockN } = tile;
  const word = total([
    // A vector of 16 codes for each row of the tile, shared out.
    [blockM / threadsX, { loads: 4, other: 12, shared: [[1, launched.speed.lanes]] }],
    [2 / groups, { other: BARRIER + TURN }],
    [1, { loads: blockN, other: 2 * blockN + TURN, shared: [[blockM, distinctOf(tile, launched).rows]] }],
    [STEPS, { other: 2 * blockN + TURN, dots: blockM * blockN }],
  ]);
  return counts(params, tile, word, 2 * blockN + 4 * blockM, launched);
}

/** Products in f32 of codes and weights as they lie in memory. */
export function plainCounts(
  params: TernaryGemmParams,
  { unrolled, ...tile }: GemmTile & { readonly unrolled: boolean },
  launched: Launched,
): Counts {
  const { blockM, blockN } = tile;
  // Vectors of four: shifts, masks and conversions.
  const step = { loads: blockM, other: 12 * (blockM + blockN) + blockM, fused: 4 * blockM * blockN };
  return fromMemory(params, tile, step, unrolled, launched);
}

/** f32 rows through workgroup memory. */
export function tiledCounts(params: TernaryGemmParams, tile: GemmTile, launched: Launched): Counts {
  const { threadsX, blockM, blockN } = tile;
  const { rows } = distinctOf(tile, launched);
  const word = total([
    [(STEPS * blockM) / threadsX, { loads: 4, other: 18, shared: [[1, launched.speed.lanes]] }],
    [2, { other: BARRIER + TURN }],
    [1, { loads: blockN, other: blockN + TURN }],
    [STEPS, { other: 16 * blockN + TURN, fused: 4 * blockM * blockN, shared: [[blockM, rows]] }],
  ]);
  return counts(params, tile, word, 4 * blockN + 8, launched);
}

/** f32 rows as they lie in memory. */
export function directCounts(
  params: TernaryGemmParams,
  { unrolled, ...tile }: GemmTile & { readonly unrolled: boolean },
  launched: Launched,
): Counts {
  const { blockM, blockN } = tile;
  const step = { loads: 4 * blockM, other: 16 * blockN + 4 * blockM, fused: 4 * blockM * blockN };
  return fromMemory(params, tile, step, unrolled, launched);
}

/** Words of weights by steps, over rows as they lie in memory. */
function fromMemory(
  params: TernaryGemmParams,
  tile: GemmTile,
  step: Invocation,
  unrolled: boolean,
  launched: Launched,
): Counts {
  const { blockN } = tile;
  const { steps, making } = stepsOf(step, tile, unrolled, launched);
  const word = total([
    [1, { loads: blockN, other: blockN + TURN }],
    [1, steps],
  ]);
  return { ...counts(params, tile, word, 4 * blockN + 8, launched), making };
}

/** Seconds that an adapter on the processor compiles each product of an unrolled loop for. */
const COMPILING = 3e-3;

/** Steps as one loop, or one after the other, which is faster and takes an adapter on the processor long to compile. */
function stepsOf(step: Invocation, { blockM, blockN }: GemmTile, unrolled: boolean, { speed }: Launched) {
  // Such an adapter keeps the sums of a loop in memory.
  const turn: Invocation = { other: TURN + (speed.overlaps ? 0 : 8 + 3 * blockM * blockN) };
  const making = unrolled && !speed.overlaps ? COMPILING * STEPS * blockM * blockN : 0;
  return {
    steps: total([
      [STEPS, step],
      [unrolled ? 0 : STEPS, turn],
    ]),
    making,
  };
}
