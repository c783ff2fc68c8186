/** Counts of WebAssembly kernels for the cost model: instructions and bytes of the loops that templates render. */
import { chunksOf } from "../../targets/cpu/abi.js";
import {
  CHUNK_CYCLES,
  CONTENDED_CYCLES,
  FIRST_LEVEL_BYTES,
  VECTOR_REGISTERS,
} from "../../targets/cpu/speed.js";
import type { SharedResource, Speed } from "../../targets/speed.js";
import type { Counts } from "../choice/cost.js";

/** What a thread does: counted for hundreds of configs of a kernel, hence plain sums. */
export type Work = Readonly<Record<"issue" | "shared" | "f32" | "int8" | "special", number>>;
export type Bytes = Readonly<Record<SharedResource, number>>;

export const NOTHING: Work = { issue: 0, shared: 0, f32: 0, int8: 0, special: 0 };

const VECTOR_BYTES = 16;

/** `count` times a work. */
export function times({ issue, shared, f32, int8, special }: Work, count: number): Work {
  return {
    issue: issue * count,
    shared: shared * count,
    f32: f32 * count,
    int8: int8 * count,
    special: special * count,
  };
}

export function sumOf(works: readonly Work[]): Work {
  let sum = NOTHING;
  for (const { issue, shared, f32, int8, special } of works) {
    sum = {
      issue: sum.issue + issue,
      shared: sum.shared + shared,
      f32: sum.f32 + f32,
      int8: sum.int8 + int8,
      special: sum.special + special,
    };
  }
  return sum;
}

/** Instructions of a loop that compute, load and store; `special` ones are divisions and roots. */
export interface Instructions {
  readonly other?: number;
  readonly loads?: number;
  readonly stores?: number;
  /** Vectors of multiplications or additions in f32. */
  readonly f32?: number;
  /** Vectors of products of bytes or half words. */
  readonly products?: number;
  readonly special?: number;
}

export function work({
  other = 0,
  loads = 0,
  stores = 0,
  f32 = 0,
  products = 0,
  special = 0,
}: Instructions): Work {
  return {
    issue: other + loads + stores + f32 + products + special,
    shared: VECTOR_BYTES * (loads + stores),
    f32: 4 * f32,
    // 16 products and 16 sums.
    int8: 32 * products,
    special,
  };
}

/** Instructions that go by while a sum that is in memory is stored, read again and added to: 8 cycles of 4. */
const CHAIN = 32;

/**
 * A loop's turn with so many values to keep in registers, sums among them that are added to several times in it. Where there
 * are too few registers sums are in memory: each addition reads and stores one, and the next waits for it.
 */
export function inRegisters(turn: Work, live: number, additions = 1): Work {
  const spilled = Math.max(0, live - VECTOR_REGISTERS);
  if (spilled === 0) return turn;
  const all = sumOf([turn, times(work({ loads: spilled, stores: spilled, other: -spilled }), additions)]);
  return { ...all, issue: Math.max(all.issue, CHAIN * additions) };
}

/** Bytes beyond the first-level cache of a working set that a thread reads again and again. */
export function rereads(workingBytes: number, passes: number, { l2Bytes }: Speed): Bytes {
  if (workingBytes <= FIRST_LEVEL_BYTES) return { l2: 0, memory: 0 };
  const bytes = workingBytes * passes;
  return workingBytes <= l2Bytes ? { l2: bytes, memory: 0 } : { l2: 0, memory: bytes };
}

/** What a tile takes besides its blocks: where it begins and ends, and its turn of the loop. */
const TILE = work({ other: 60 });

/**
 * Counts of a launch: threads take its tiles in chunks as they get to them. Chunks of equal tiles are taken at about the same time, so
 * each thread waits for the others every time.
 */
export function watCounts(tiles: number, whole: Work, bytes: readonly Bytes[], { units }: Speed): Counts {
  const workgroups = chunksOf(tiles, units);
  return {
    workgroups,
    each: workgroups === 0 ? NOTHING : times(sumOf([whole, times(TILE, tiles)]), 1 / workgroups),
    serial: CHUNK_CYCLES + CONTENDED_CYCLES * (Math.min(units, workgroups) - 1),
    bytes: {
      l2: bytes.reduce((sum, { l2 }) => sum + l2, 0),
      memory: bytes.reduce((sum, { memory }) => sum + memory, 0),
    },
  };
}

/** How many blocks of each number of rows, descending to 1, rows are taken in: tiles of `tileM`, the last of what is left. */
export function blocksOf(
  rows: number,
  tileM: number,
  groups: readonly number[],
): ReadonlyMap<number, number> {
  const blocks = new Map<number, number>();
  const take = (count: number, tiles: number) => {
    let left = count;
    for (const group of groups) {
      const whole = Math.floor(left / group);
      blocks.set(group, (blocks.get(group) ?? 0) + whole * tiles);
      left -= whole * group;
    }
  };
  take(tileM, Math.floor(rows / tileM));
  take(rows % tileM, 1);
  return blocks;
}
