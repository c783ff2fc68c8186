import { type FloatStorage, type KernelSignature, rowArg } from "./contract/arguments.js";

/**
 * x[M, c] → q[M, paddedK(c)] with zeros in the pad, rowScale[M], rowSum[M], as `ir/ternary/quantize.ts` to the bit.
 *
 * With `parts` the row lies in several matrices, x0[M, parts[0]], x1[M, parts[1]], …: the arguments are these, then
 * q, rowScale and rowSum, which are the same as for the joined row.
 */
export interface QuantizeRowsParams {
  /** Elements of a row, of all parts together. */
  readonly c: number;
  readonly parts?: readonly number[];
  /** What `x`, or every part of it, is stored in; f32 if absent. */
  readonly x?: FloatStorage;
}

export function quantizeRowsSignature({ parts, x = "f32" }: QuantizeRowsParams): KernelSignature {
  const sources = parts === undefined ? ["x"] : parts.map((_, i) => `x${i}`);
  return {
    args: [
      ...sources.map((name) => rowArg(name, x)),
      rowArg("q", "i8", "write"),
      rowArg("rowScale", "f32", "write"),
      rowArg("rowSum", "i32", "write"),
    ],
    scalars: [],
  };
}

/** Where a part of a row lies among all of its elements. */
export interface RowPart {
  readonly name: string;
  readonly start: number;
  readonly length: number;
}

/** The parts in order. Throws a RangeError where they do not make up the row. */
export function rowParts(c: number, parts: readonly number[]): readonly RowPart[] {
  let start = 0;
  const placed = parts.map((length, i) => {
    const part = { name: `x${i}`, start, length };
    start += length;
    return part;
  });
  if (start !== c) throw new RangeError(`parts of ${start} elements for a row of ${c}`);
  return placed;
}
