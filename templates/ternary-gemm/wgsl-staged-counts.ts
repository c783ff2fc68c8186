/** Counts of `float-staged.wgsl.hbs` and `int8-staged.wgsl.hbs`, for an invocation. */
import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import type { GemmTile, StagedTile } from "../../ir/families/launch/gemm-tile.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import type { Counts, Launched } from "../choice/cost.js";
import { BARRIER, type Invocation, total } from "../wgsl/counts.js";
import { distinctOf } from "../wgsl/gemm-counts.js";
import { productCounts } from "./wgsl-counts.js";

/** Codes of one word. */
const CODES = TERNARY_BLOCKS.wgsl.float.k;
/** Instructions of a loop for each turn. */
const TURN = 3;

export function stagedCounts(params: TernaryGemmParams, config: StagedTile, launched: Launched): Counts {
  const { k, activations } = params;
  const { threadsX, threadsY, blockM, blockN, stage, buffers } = config;
  const { lanes } = launched.speed;
  const { columns, rows } = distinctOf(config, launched);
  // f16 lies in half vectors.
  const size = activations === "f16" ? 0.5 : 1;
  const put: Invocation = { other: 2, shared: [[1, lanes * size]] };
  const turn = total([
    // A vector of a row: its address, whether it lies in one of memory, and its place.
    [
      (blockM * stage) / 4 / threadsX,
      total([
        [1, { vectors: 1, other: activations === "f16" ? 15 : 7 }],
        [1, put],
      ]),
    ],
    // A word of codes: shifts, masks, conversions and differences of 16.
    [
      (blockN * stage) / CODES / threadsY,
      total([
        [1, { loads: 1, other: 64 + 5 }],
        [CODES / 4, put],
      ]),
    ],
    [buffers === 2 ? 1 : 2, { other: BARRIER }],
    [1, { other: 2 * TURN }],
    [
      stage / 4,
      {
        other: TURN,
        fused: 4 * blockM * blockN,
        shared: [
          [blockN, columns * size],
          [blockM, rows * size],
        ],
      },
    ],
  ]);
  // What is read ahead, and where from.
  const ahead =
    Math.ceil((blockM * stage) / 4 / threadsX) * 6 + Math.ceil((blockN * stage) / CODES / threadsY) * 3;
  return productCounts(params, config, [Math.ceil(k / stage), turn], 4 * blockN + 8 + ahead, launched);
}

/** Packed dot products of rows and weights that are read in vectors. */
export function int8StagedCounts(
  params: TernaryGemmParams,
  { groups, buffers, ...tile }: GemmTile & { readonly groups: number; readonly buffers: number },
  launched: Launched,
): Counts {
  const { k, group } = params;
  const { threadsX, blockM, blockN } = tile;
  const word = total([
    // A vector of 16 codes for each row of the tile, shared out.
    [blockM / threadsX, { vectors: 1, other: 8, shared: [[1, launched.speed.lanes]] }],
    [1 / groups, { other: (buffers === 2 ? 1 : 2) * BARRIER + 2 * TURN }],
    [
      1,
      { vectors: blockN / 4, other: blockN / 2 + TURN, shared: [[blockM, distinctOf(tile, launched).rows]] },
    ],
    [4, { other: (group === undefined ? 2 : 4) * blockN + TURN, dots: blockM * blockN }],
  ]);
  const operands = 2 * blockN + 4 * blockM + 6 * Math.ceil((blockM * groups) / threadsX);
  return productCounts(params, tile, [Math.ceil(k / CODES), word], operands, launched);
}
