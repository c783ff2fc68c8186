import { roundUp } from "../contract/arguments.js";
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

/** Why there are no such tiles of a matrix of n columns: they are wider than all of it, its columns padded to whole panels. */
export function columnsFault(n: number, columns: number): string | undefined {
  const padded = roundUp(n, DENSE_PANEL.wgsl);
  return columns <= padded ? undefined : `tiles of ${columns} columns, and the weights have ${padded}`;
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

/** As `GEMM_DIMENSIONS`, for kernels that have rows and weights in workgroup memory, and read ahead. */
export const STAGED_DIMENSIONS = {
  ...GEMM_DIMENSIONS,
  /** Elements of k in workgroup memory at a time. */
  stage: [16, 32],
  /** Of which there are one or two such stages. */
  buffers: [1, 2],
} as const;
export type StagedTile = ConfigOf<typeof STAGED_DIMENSIONS>;

/** As `gemmTile`; rows and columns lie a vector further apart than a stage, against bank conflicts. */
export function rowStagedTile(config: StagedTile, elementBytes: number) {
  const shape = gemmTile(config);
  const [columns, rows] = shape.tile;
  return { ...shape, sharedBytes: config.buffers * (rows + columns) * (config.stage + 4) * elementBytes };
}

/** As `rowStagedTile`, with vectors of weights side by side. */
export function vectorStagedTile(config: StagedTile, elementBytes: number) {
  const shape = gemmTile(config);
  const [columns, rows] = shape.tile;
  const { stage, buffers } = config;
  return { ...shape, sharedBytes: buffers * (rows * (stage + 4) + columns * stage) * elementBytes };
}

/** CUDA, products in f32: threadsX·4·groupsN columns and threadsY·4·groupsM rows. */
export const CUDA_FLOAT_DIMENSIONS = {
  threadsX: [8, 16, 32],
  threadsY: [4, 8, 16],
  groupsM: [1, 2],
  groupsN: [1, 2],
  /** Elements of k in shared memory at a time, of which there are two such stages. */
  stage: [8, 16, 32],
  /** Blocks that an SM is to hold, which gives a thread its share of the registers. */
  blocks: [2, 3, 4, 6, 8],
} as const;
type CudaFloat = ConfigOf<typeof CUDA_FLOAT_DIMENSIONS>;

/** What threads load of a stage, four elements at a time, and what the stages take. */
function cudaFloatStage({ threadsX, threadsY, groupsM, groupsN, stage }: CudaFloat) {
  const count = threadsX * threadsY;
  const [columns, rows] = [threadsX * 4 * groupsN, threadsY * 4 * groupsM];
  return {
    count,
    columns,
    rows,
    loads: [(rows * stage) / 4 / count, (columns * stage) / 4 / count] as const,
    bytes: 2 * stage * (rows + 4 + columns) * 4,
  };
}

/** Registers of a thread besides sums, what it has loaded and what it multiplies. */
const FLOAT_REGISTERS = 24;
/** Static shared memory of a block. */
const MOST_STATIC_BYTES = 48 * 1024;

/** Why threads do not share a tile so; `perWord`: elements of k in a word of the weights. */
export function cudaFloatFault(config: CudaFloat, perWord = 1): string | undefined {
  const { count, columns, rows, loads, bytes } = cudaFloatStage(config);
  if (count < 64 || count > 256) return `${count} threads, and it takes 64 to 256`;
  if (columns % DENSE_PANEL.cuda !== 0) return `tiles of ${columns} columns are no whole panels`;
  const whole = perWord === 1 ? loads : loads.slice(0, 1);
  if (!whole.every(Number.isInteger)) {
    return `${count} threads do not load ${rows} rows and ${columns} columns of ${config.stage} in whole rounds`;
  }
  if (config.stage % perWord !== 0) return `stages of ${config.stage}, and words of ${perWord}`;
  return bytes <= MOST_STATIC_BYTES ? undefined : `${bytes} bytes of stages`;
}

/** CUDA, products in tf32: warpsM·16·groupsM rows and warpsN·8·groupsN columns. */
export const CUDA_TF32_DIMENSIONS = {
  warpsM: [1, 2, 4],
  warpsN: [1, 2, 4],
  groupsM: [1, 2, 4],
  groupsN: [4, 8],
  /** Elements of k in shared memory at a time, of which there are two such stages. */
  stage: [16, 32],
  /** Blocks that an SM is to hold, which gives a thread its share of the registers. */
  blocks: [1, 2, 3, 4, 6],
} as const;
type CudaTf32 = ConfigOf<typeof CUDA_TF32_DIMENSIONS>;

/** As `cudaFloatStage`; pitches keep what a warp reads in different banks. */
function cudaTf32Stage({ warpsM, warpsN, groupsM, groupsN, stage }: CudaTf32) {
  const count = 32 * warpsM * warpsN;
  const [columns, rows] = [warpsN * 8 * groupsN, warpsM * 16 * groupsM];
  return {
    count,
    columns,
    rows,
    loads: [(rows * stage) / 4 / count, (columns * stage) / 4 / count] as const,
    bytes: 2 * (rows * (stage + 4) + stage * (columns + 8)) * 4,
  };
}

/** Why warps do not share a tile so; `perWord`: elements of k in a word of the weights. */
export function cudaTf32Fault(config: CudaTf32, perWord = 1): string | undefined {
  const { count, columns, rows, loads, bytes } = cudaTf32Stage(config);
  if (count < 64 || count > 256) return `${count} threads, and it takes 64 to 256`;
  if (columns % DENSE_PANEL.cuda !== 0) return `tiles of ${columns} columns are no whole panels`;
  const whole = perWord === 1 ? loads : loads.slice(0, 1);
  if (!whole.every(Number.isInteger)) {
    return `${count} threads do not load ${rows} rows and ${columns} columns of ${config.stage} in whole rounds`;
  }
  return bytes <= MOST_STATIC_BYTES ? undefined : `${bytes} bytes of stages`;
}

export function cudaTf32Tile(config: CudaTf32) {
  const { groupsM, groupsN, blocks } = config;
  const { count, columns, rows, loads } = cudaTf32Stage(config);
  const loaded = 4 * loads.reduce((sum, load) => sum + Math.ceil(load), 0);
  return {
    workgroup: threads(count),
    tile: [columns, rows, 1],
    blocks,
    registers: 4 * groupsM * groupsN + 4 * groupsM + 2 + loaded + FLOAT_REGISTERS,
  } as const;
}

/** Why the sums of few rows, whose k the threads share, do not fit where the stages lie. */
export function fewFault(config: CudaFloat): string | undefined {
  const { count, bytes } = cudaFloatStage(config);
  const sums = count * 4 * 4 * 4;
  return sums <= bytes ? undefined : `${sums} bytes of parts of sums do not fit where ${bytes} of stages lie`;
}

/**
 * `more`: registers of what is done to weights or results besides. The sum is an upper bound of what nvcc 13.0 needs for sm_75, sm_89 and
 * sm_90a without spilling, in all tiles of dense layers and convolutions.
 */
export function cudaFloatTile(config: CudaFloat, more = 0) {
  const { groupsM, groupsN, blocks } = config;
  const { count, columns, rows, loads } = cudaFloatStage(config);
  const loaded = 4 * loads.reduce((sum, load) => sum + Math.ceil(load), 0);
  return {
    workgroup: threads(count),
    tile: [columns, rows, 1],
    blocks,
    registers: Math.ceil(
      // A group's sums and addresses, its operands, and what is loaded ahead.
      22 * groupsM * groupsN - 6 + 4 * (groupsM + groupsN) + 1.15 * loaded + FLOAT_REGISTERS + more,
    ),
  } as const;
}
