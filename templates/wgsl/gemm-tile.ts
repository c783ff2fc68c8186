import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import type { Tile } from "../../ir/families/launch/form.js";

/**
 * 64 x 64 outputs in 64 invocations. An 8 x 8 block does 16 multiply-adds per operand word that it loads, twice a
 * 4 x 4 block, and its 64 accumulators still fit the registers of every GPU.
 */
export const GEMM_TILE = { threadsX: 8, threadsY: 8, blockM: 8, blockN: 8 } as const;

/** Columns of every weight layout. */
export function paddedColumns(n: number): number {
  return roundUp(n, DENSE_PANEL.wgsl);
}

/** Whether the last of such tiles is wider than what is left of the weights. */
export function isBeyond(n: number, [columns]: Tile): boolean {
  return paddedColumns(n) % columns !== 0;
}
