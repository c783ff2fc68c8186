import type { Target } from "../../targets/target.js";
import type { Family } from "../families.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { type FloatStorage, type KernelSignature, paddedK } from "../signature.js";
import { defineCuda } from "./define.js";

/** How the threads of a block share rows; see `cuda/row.cuh`. */
export interface RowPlan {
  /** Elements of a 16-byte access to a row. */
  readonly vector: number;
  /** Threads that share a row: a power of two up to 32, or all threads of the block. */
  readonly group: number;
  readonly threads: number;
  /** Each thread keeps its part of the row in registers. */
  readonly held: boolean;
}

/** Threads that a multiprocessor must have registers for (64 each), so that enough loads are under way. */
const ROW_THREADS = 1024;
/** Most threads of a row in registers: with one row on a multiprocessor, all of it would wait at the row's barriers. */
const HELD_THREADS = 512;
/** Elements of a row that a thread holds next to what a kernel combines them with. More would spill. */
const HELD_ELEMENTS = 24;
/** Threads of a block whose rows take a warp or less each. */
const NARROW_THREADS = 128;

/**
 * Rows of `c` elements. A narrow row takes as few threads as leave each two accesses, so that reductions are short
 * and every lane has work; a wide one as many warps as hold it in registers, a thread up to `mostHeld` elements where
 * it takes too many otherwise.
 */
export function rowPlan(c: number, storage: FloatStorage = "f32", mostHeld = HELD_ELEMENTS): RowPlan {
  const vector = storage === "bf16" ? 8 : 4;
  const chunks = Math.ceil(c / vector);
  if (chunks * vector <= 32 * HELD_ELEMENTS) {
    const group = Math.min(32, 2 ** Math.ceil(Math.log2(Math.max(1, chunks / 2))));
    return { vector, group, threads: NARROW_THREADS, held: true };
  }
  for (const held of [HELD_ELEMENTS, mostHeld]) {
    const threads = 32 * Math.ceil(chunks / (held / vector) / 32);
    if (threads <= HELD_THREADS) return { vector, group: threads, threads, held: true };
  }
  return { vector, group: ROW_THREADS, threads: ROW_THREADS, held: false };
}

/**
 * Rows of `c` channels that are modulated, and maybe quantized: the same plan for both, so that they agree to the bit.
 */
export function modulationPlan(c: number): RowPlan {
  return rowPlan(paddedK(c));
}

/** Rows that give each thread of a block about one access to each of `c` 32-bit elements; at least one row. */
export function tileRowsOf(c: number, threads: number): number {
  return Math.max(1, Math.floor(threads / Math.ceil(c / 4)));
}

export interface CudaRowKernel {
  readonly family: Family;
  readonly params: object;
  readonly signature: KernelSignature;
  readonly template: string;
  readonly values: TemplateValues;
  readonly threads: number;
  /** Rows that a block works on at a time. */
  readonly rows: number;
}

/** A kernel for any architecture whose blocks loop over the launch's rows; the template also gets `blocks`. */
export function defineCudaRows(kernel: CudaRowKernel, target: Target): KernelDefinition {
  const { family, params, signature, template, threads, rows } = kernel;
  const values = { ...kernel.values, blocks: Math.floor(ROW_THREADS / threads) };
  return defineCuda(family, params, signature, target, [
    { requires: "sm_70", template, values, threads, tile: [1, rows, 1], persistent: true },
  ]);
}

/** A kernel whose rows are shared as a plan says; the template also gets `group` and `held`. */
export function definePlannedRows(
  kernel: Omit<CudaRowKernel, "threads" | "rows">,
  plan: RowPlan,
  target: Target,
): KernelDefinition {
  const { group, held, threads } = plan;
  const values = { ...kernel.values, group, held };
  return defineCudaRows({ ...kernel, values, threads, rows: threads / group }, target);
}
