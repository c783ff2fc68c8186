import { DENSE_PANEL } from "../contract/weights.js";
import { type ConfigOf, threads } from "./form.js";

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

/** Elements of k in workgroup memory at a time. */
const STAGE = 16;

/** As `gemmTile`, with rows and weights in f32 in workgroup memory, a stage of k at a time. */
export function stagedTile(config: GemmTile) {
  const shape = gemmTile(config);
  const [columns, rows] = shape.tile;
  // One more vector than a row holds, against bank conflicts.
  return { ...shape, sharedBytes: rows * (STAGE / 4 + 1) * 16 + columns * STAGE * 4 };
}

/** CUDA, products in f32: threadsX·4·groupsN columns and threadsY·4·groupsM rows. */
export const CUDA_FLOAT_DIMENSIONS = {
  threadsX: [16],
  threadsY: [8],
  groupsM: [1, 2],
  groupsN: [1, 2],
  /** Blocks that an SM is to hold, which gives a thread its share of the registers. */
  blocks: [3, 8],
} as const;

export function cudaFloatTile(config: ConfigOf<typeof CUDA_FLOAT_DIMENSIONS>) {
  const { threadsX, threadsY, groupsM, groupsN } = config;
  return {
    workgroup: threads(threadsX * threadsY),
    tile: [threadsX * 4 * groupsN, threadsY * 4 * groupsM, 1],
  } as const;
}
