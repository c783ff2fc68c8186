import { roundUp } from "../../ir/families/contract/arguments.js";
import type { DeviceKind } from "../../targets/device-kind.js";

/** How the threads of a block share rows: numbers of a config; see `SHARED_ROWS`. */
export interface RowPlan {
  readonly group: number;
  readonly threads: number;
  readonly blocks: number;
  readonly held: boolean;
}

/** What a row in registers takes at most. */
interface HeldLimits {
  /** Elements of a thread. */
  readonly elements: number;
  /** Threads of a block. */
  readonly threads: number;
  /** Registers of a thread. */
  readonly registers: number;
}
/** Next to the vectors that normalization combines a row with, more would spill. */
const NORMALIZED: HeldLimits = { elements: 24, threads: 384, registers: 64 };
/** Rows that are modulated, and maybe quantized as well. */
const MODULATED: HeldLimits = { ...NORMALIZED, registers: 80 };
/** Rows that are only quantized: two of 15360 elements, those of single blocks, fit a multiprocessor. */
const QUANTIZED: HeldLimits = { elements: 32, threads: 512, registers: 64 };
/** Threads of a row that is read again on every pass. */
const STREAMED_THREADS = 1024;
/** Threads of a block whose rows take a warp or less each. */
const NARROW_THREADS = 128;
/** Parts of a multiprocessor, each with its own registers and warps. */
const PARTITIONS = 4;

/** Elements of a 16-byte access to a row. */
export function vectorOf(storage: "f32" | "bf16" = "f32"): 4 | 8 {
  return storage === "bf16" ? 8 : 4;
}

/**
 * Rows of `c` elements. A narrow row takes as few threads as leave each two accesses, so that reductions are short
 * and every lane has work; a wide one as many warps as hold it in registers.
 */
function planOf(c: number, vector: number, limits: HeldLimits, { cuda }: DeviceKind): RowPlan {
  const chunks = Math.ceil(c / vector);
  const wide = 32 * Math.ceil(chunks / (limits.elements / vector) / 32);
  if (wide > limits.threads) {
    return { group: STREAMED_THREADS, threads: STREAMED_THREADS, blocks: 1, held: false };
  }
  const group = wide > 32 ? wide : Math.min(32, 2 ** Math.ceil(Math.log2(Math.max(1, chunks / 2))));
  const threads = wide > 32 ? wide : NARROW_THREADS;
  const registers = (cuda?.facts.registersPerSm ?? 0) / PARTITIONS;
  const resident = PARTITIONS * 32 * Math.floor(registers / (32 * limits.registers));
  return { group, threads, blocks: Math.floor(resident / threads), held: true };
}

/** Rows of `c` channels that are normalized, or heads of as many. */
export function normalizationPlan(c: number, device: DeviceKind, storage?: "f32" | "bf16"): RowPlan {
  return planOf(c, vectorOf(storage), NORMALIZED, device);
}

/** Rows of `c` channels that are modulated: the same plan with and without quantization, so that the bits agree. */
export function modulationPlan(c: number, device: DeviceKind): RowPlan {
  return planOf(roundUp(c, 16), 4, MODULATED, device);
}

/** Rows of `c` elements that are quantized. */
export function quantizationPlan(c: number, device: DeviceKind, storage?: "f32" | "bf16"): RowPlan {
  return planOf(roundUp(c, 16), vectorOf(storage), QUANTIZED, device);
}

/** Rows that give each thread of a block about one access to each of `c` 32-bit elements; at least one row. */
export function tileRowsOf(c: number, threads: number): number {
  return Math.max(1, Math.floor(threads / Math.ceil(c / 4)));
}
