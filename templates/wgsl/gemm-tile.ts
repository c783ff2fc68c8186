import { roundUp } from "../../ir/families/contract/arguments.js";

/** The tile of a workgroup: threadsY·blockM rows and threadsX·blockN columns, blockM x blockN per invocation. */
export interface GemmTile {
  readonly threadsX: number;
  readonly threadsY: number;
  readonly blockM: number;
  readonly blockN: number;
}

/**
 * 64 x 64 outputs in 64 invocations. An 8 x 8 block does 16 multiply-adds per operand word that it loads, twice a
 * 4 x 4 block, and its 64 accumulators still fit the registers of every GPU.
 */
export const GEMM_TILE: GemmTile = { threadsX: 8, threadsY: 8, blockM: 8, blockN: 8 };

export const tileRows = (tile: GemmTile): number => tile.threadsY * tile.blockM;
export const tileColumns = (tile: GemmTile): number => tile.threadsX * tile.blockN;

/**
 * Columns of every weight layout: whole tiles, so that no invocation reads past a row of it. A multiple of
 * `tileColumns` of every gemm that reads the layout.
 */
export function paddedColumns(n: number): number {
  return roundUp(n, tileColumns(GEMM_TILE));
}

/**
 * Kernels that profit from workgroup memory and packed dot products name this feature. A device has it unless its
 * adapter runs on the CPU, where barriers are task switches and workgroup memory is memory like any other.
 */
export const HARDWARE = "hardware";
