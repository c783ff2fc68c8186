import { DENSE_PANEL } from "../contract/weights.js";

/** The tile of a WGSL workgroup: threadsY·blockM rows and threadsX·blockN columns, blockM x blockN per invocation. */
export interface GemmTile {
  readonly threadsX: number;
  readonly threadsY: number;
  readonly blockM: number;
  readonly blockN: number;
}

export const GEMM_DIMENSIONS = {
  threadsX: [4, 8, 16],
  threadsY: [4, 8, 16],
  blockM: [2, 4, 8],
  blockN: [4, 8],
} as const;

export function gemmTile({ threadsX, threadsY, blockM, blockN }: GemmTile) {
  return {
    workgroup: [threadsX, threadsY, 1],
    tile: [threadsX * blockN, threadsY * blockM, 1],
  } as const;
}

/** Why weights can't be read in such tiles: an invocation would read past a row of them, padded to whole panels. */
export function panelFault({ threadsX, blockN }: GemmTile): string | undefined {
  return DENSE_PANEL.wgsl % (threadsX * blockN) === 0
    ? undefined
    : `panels of ${DENSE_PANEL.wgsl} columns are no whole tiles`;
}
