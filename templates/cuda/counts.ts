import type { Counts, Launched } from "../choice/cost.js";
import { residentBlocks } from "../choice/cuda-occupancy.js";

/** Cycles from a block's start until its first operands are there: its launch, and memory's latency. */
const START_CYCLES = 1500;
/** Cycles that a load from L2 takes. */
export const LOAD_CYCLES = 700;
/** Bytes of shared memory that a warp's 16-byte accesses take the time of. */
export const WARP_ACCESS = 512;

/** A matrix product in tiles: y[rows, n] of rows of `rowBytes` and channels of `channelBytes`. */
export interface Product {
  readonly rows: number;
  readonly n: number;
  readonly rowBytes: number;
  readonly channelBytes: number;
  /** Of a result, and of what its end reads besides. */
  readonly resultBytes: number;
  /** Rows and columns of a tile, as blocks take them. */
  readonly tile: readonly [channels: number, tokens: number];
  /** Rows of tiles that blocks go down before they turn to the next column; 1 where they go along rows of the grid. */
  readonly raster: number;
}

/** Blocks of a product, and the bytes that it moves: see `tileOfBlock` in cuda/rasterize.cuh. */
export function movedBy(
  { rows, n, rowBytes, channelBytes, resultBytes, tile: [channels, tokens], raster }: Product,
  { speed, launch }: Launched,
  resident = launch.blocks,
): Pick<Counts, "workgroups" | "bytes"> {
  const [across, down] = [Math.ceil(n / channels), Math.ceil(rows / tokens)];
  const workgroups = across * down;
  const results = rows * n * resultBytes;
  // Each block reads its rows and channels through L2.
  const read = across * rows * rowBytes + down * n * channelBytes;
  const once = rows * rowBytes + n * channelBytes;
  // Blocks at work together cover a rectangle; what lies in it comes from memory once, if all of it does not stay in L2.
  const together = Math.min(workgroups, speed.units * resident);
  const height = Math.min(raster, down, together);
  const width = Math.min(across, Math.ceil(together / height));
  const rectangles = workgroups / (height * width);
  const inTurns = rectangles * (height * tokens * rowBytes + width * channels * channelBytes);
  const kept = once <= speed.l2Bytes / 2;
  return {
    workgroups,
    bytes: { l2: read + results, memory: (kept ? once : Math.max(once, Math.min(read, inTurns))) + results },
  };
}

/** What matrix instructions of warps reach of the rate of their successors: on Hopper, and on Blackwell's large chips. */
const OLDER_SHARE: Readonly<Record<number, number>> = { 9: 0.62, 10: 0.3 };

/** The part of a device's rate of matrix instructions that those of warps reach. */
export function olderShare({ device }: Launched): number {
  return OLDER_SHARE[device.cuda?.facts.computeCapability[0] ?? 8] ?? 1;
}

/** Blocks that a multiprocessor runs at a time. */
export function residentOf({ launch, device }: Launched): number {
  return device.cuda === null ? 1 : residentBlocks(launch, device.cuda.facts);
}

/**
 * Cycles of a block that nothing hides: its start; its end, where no other block multiplies meanwhile; and what it waits for its
 * stages, so many of which are under way, each of which keeps a multiprocessor busy for `stageCycles`.
 */
export function alone(
  resident: number,
  {
    end,
    steps,
    stages,
    stageCycles,
  }: {
    readonly end: number;
    readonly steps: number;
    readonly stages: number;
    readonly stageCycles: number;
  },
): number {
  const ahead = Math.max(1, stages - 1);
  const waits = steps * Math.max(0, LOAD_CYCLES / ahead - resident * stageCycles);
  return START_CYCLES + waits + (resident === 1 ? end : 0);
}
