import { roundUp } from "./contract/arguments.js";

/** How the threads of a block share rows; see `cuda/row.cuh`. */
export interface RowPlan {
  /** Elements of a 16-byte access to a row. */
  readonly vector: number;
  /** Threads that share a row: a power of two up to 32, or all threads of the block. */
  readonly group: number;
  readonly threads: number;
  /** Blocks that a multiprocessor has registers for. */
  readonly blocks: number;
  /** Each thread keeps its part of the row in registers. */
  readonly held: boolean;
}

/** What a row in registers takes at most. */
interface HeldLimits {
  /** Elements of a thread. */
  readonly elements: number;
  /** Threads of a block. */
  readonly threads: number;
  /** Threads that a multiprocessor has registers for: 64 each for 1024 of them, 80 for 768. */
  readonly resident: number;
}
/** Next to the vectors that normalization combines a row with, more would spill. */
const NORMALIZED: HeldLimits = { elements: 24, threads: 384, resident: 1024 };
/** Rows that are modulated, and maybe quantized as well. */
const MODULATED: HeldLimits = { ...NORMALIZED, resident: 768 };
/** Rows that are only quantized: two of 15360 elements, those of single blocks, fit a multiprocessor. */
const QUANTIZED: HeldLimits = { elements: 32, threads: 512, resident: 1024 };
/** Threads of a row that is read again on every pass. */
const STREAMED_THREADS = 1024;
/** Threads of a block whose rows take a warp or less each. */
const NARROW_THREADS = 128;

/**
 * Rows of `c` elements. A narrow row takes as few threads as leave each two accesses, so that reductions are short
 * and every lane has work; a wide one as many warps as hold it in registers.
 */
function planOf(c: number, storage: "f32" | "bf16", limits: HeldLimits): RowPlan {
  const vector = storage === "bf16" ? 8 : 4;
  const chunks = Math.ceil(c / vector);
  const wide = 32 * Math.ceil(chunks / (limits.elements / vector) / 32);
  if (wide > limits.threads) {
    return { vector, group: STREAMED_THREADS, threads: STREAMED_THREADS, blocks: 1, held: false };
  }
  const group = wide > 32 ? wide : Math.min(32, 2 ** Math.ceil(Math.log2(Math.max(1, chunks / 2))));
  const threads = wide > 32 ? wide : NARROW_THREADS;
  return { vector, group, threads, blocks: Math.floor(limits.resident / threads), held: true };
}

/** Rows of `c` channels that are normalized, or heads of as many. */
export function normalizationPlan(c: number, storage: "f32" | "bf16" = "f32"): RowPlan {
  return planOf(c, storage, NORMALIZED);
}

/** Rows of `c` channels that are modulated: the same plan with and without quantization, so that the bits agree. */
export function modulationPlan(c: number): RowPlan {
  return planOf(roundUp(c, 16), "f32", MODULATED);
}

/** Rows of `c` elements that are quantized. */
export function quantizationPlan(c: number, storage: "f32" | "bf16"): RowPlan {
  return planOf(roundUp(c, 16), storage, QUANTIZED);
}

/** Rows that give each thread of a block about one access to each of `c` 32-bit elements; at least one row. */
export function tileRowsOf(c: number, threads: number): number {
  return Math.max(1, Math.floor(threads / Math.ceil(c / 4)));
}
