import type { Shape } from "../dim.js";

/**
 * What passes and lowering may count on, of an operation with the attributes `A`. `PLAIN` is safe for every operation;
 * a definition says what holds beyond it.
 */
export interface Traits<A> {
  /** Operands whose elements the results are made of as they are; the other operands say where they go. */
  readonly moves: readonly number[] | "all";
  /** Whether the result is operand 0's elements in their order, under another shape. */
  readonly reshapes: boolean;
  /** Kernels read operand 0 row by row, so that a device can take it in pieces of rows. */
  readonly rowWise: boolean;
  /** What kernels may find or leave in bf16; null: nothing. */
  readonly narrow: Narrow<A> | null;
  /** Whether growing leading axes of size 1 gives for every sample what one sample gives; `x` is operand 0's shape. */
  perSample(attrs: A, x: Shape): boolean;
  /** Whether the rows of the leading axis of operands do not meet, so that a batch of rows is each row by itself. */
  perStep(attrs: A, rows: StepRows): boolean;
  /** Whether a FLUX transformer has it once it is recognized. */
  recognized(attrs: A): boolean;
  /** Multiplications of an evaluation: one for each element, or what a product of matrices or any contraction takes. */
  readonly work: "elements" | "matrix product" | "contraction";
}

export interface Narrow<A> {
  /** Operands that may be bf16. */
  readonly reads: readonly number[] | "all";
  /** Whether the results may be. */
  stores(attrs: A): boolean;
  /** Whether those operands and the results are bf16 together or not at all. */
  readonly alike: boolean;
}

/** The leading axis as a node has it whose operands hold one row for each sampling step. */
export interface StepRows {
  /** Rank of the result. */
  readonly rank: number;
  /** Ranks of the operands that hold such rows. */
  readonly ranks: readonly number[];
  /** How many operands there are in all. */
  readonly operands: number;
}

const always = (): boolean => true;
const never = (): boolean => false;

/** Nothing may be assumed. */
export const PLAIN: Traits<unknown> = {
  moves: [],
  reshapes: false,
  rowWise: false,
  narrow: null,
  perSample: never,
  perStep: never,
  recognized: never,
  work: "elements",
};

/** Every element of the result from one element of the operand. */
export const POINTWISE: Traits<unknown> = { ...PLAIN, perSample: always, perStep: always };

/** Operand 0's elements elsewhere. */
export const MOVES: Traits<unknown> = { ...PLAIN, moves: [0] };

/** Operand 0's elements in their order, under another shape. */
export const RESHAPES: Traits<unknown> = {
  ...MOVES,
  reshapes: true,
  narrow: { reads: "all", stores: always, alike: true },
};

/** Samples of the leading axis, each by itself. */
export const SAMPLES: Traits<unknown> = { ...PLAIN, perSample: always };

/** What recognition introduces: rows of channels, sample by sample. */
export const MODEL: Traits<unknown> = { ...SAMPLES, recognized: always };

/** As `MODEL`, with kernels that go row by row and may find their operand and leave their result in bf16. */
export const MODEL_ROWS: Traits<unknown> = {
  ...MODEL,
  rowWise: true,
  narrow: { reads: [0], stores: always, alike: false },
};
