import { quantizedArgs, rowArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { floats, listOf, optional, size, type ValuesOf } from "./contract/params.js";
import { form } from "./launch/form.js";
import {
  cudaSharedLoop,
  SHARED_ROWS,
  sharedRowsFault,
  vectorFault,
  watRows,
  watScratchRows,
  wgslRow,
  wgslSubgroupRow,
} from "./launch/row-forms.js";

const params = {
  /** Elements of a row, of all parts together. */
  c: size,
  parts: optional(listOf(size)),
  /** What `x`, or every part of it, is stored in; f32 if absent. */
  x: optional(floats),
};
export type QuantizeRowsParams = ValuesOf<typeof params>;

const inParts = ({ parts }: QuantizeRowsParams) =>
  parts === undefined ? "the row lies in one matrix" : undefined;
const inOne = ({ parts }: QuantizeRowsParams) =>
  parts === undefined ? undefined : "the row lies in several matrices";

/**
 * x[M, c] → q[M, paddedK(c)] with zeros in the pad, rowScale[M], rowSum[M], as `ir/ternary/quantize.ts` to the bit.
 *
 * With `parts` the row lies in several matrices, x0[M, parts[0]], x1[M, parts[1]], …: the arguments are these, then
 * q, rowScale and rowSum, which are the same as for the joined row.
 */
export const quantizeRows = defineFamily({
  params,
  forms: {
    wat: {
      "quantize-rows": watRows(inOne),
      parts: watScratchRows(inParts),
    },
    wgsl: {
      row: wgslRow(inOne),
      // Sums of codes are exact.
      subgroup: wgslSubgroupRow(false, inOne),
      parts: wgslRow(inParts),
    },
    cuda: {
      row: form<QuantizeRowsParams>()({
        dimensions: { ...SHARED_ROWS, vector: [4, 8] },
        needs: () => ["sm_70"],
        refuses: ({ c, x }, config) =>
          sharedRowsFault(c, config.vector, config) ?? vectorFault(x, config.vector),
        launch: ({ c }, config) => cudaSharedLoop(c, config.vector, config.threads / config.group, config),
      }),
    },
  },
  args: ({ c, parts, x = "f32" }) => [
    ...(parts === undefined ? [rowArg("x", x, c)] : parts.map((width, i) => rowArg(`x${i}`, x, width))),
    ...quantizedArgs(c, "write"),
  ],
  operations: perResult(5),
});

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
