import { rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { size, type ValuesOf } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { cudaTileRows, watRows, wgslRow } from "./launch/row-forms.js";

const params = { c: size };
export type GatherParams = ValuesOf<typeof params>;

/**
 * out[m] = table[indices[m]], rows of `c` 32-bit elements. A negative index counts from the end. Scalar: the rows
 * R of the table, within which indices are clamped.
 */
export const gather = defineFamily({
  params,
  forms: {
    wat: { gather: watRows<GatherParams>() },
    wgsl: { rows: wgslRow<GatherParams>() },
    cuda: { rows: cudaTileRows<GatherParams>() },
  },
  args: ({ c }) => [
    tableArg("table", "f32", scalar(0), c),
    rowArg("indices", "i32", 1),
    rowArg("out", "f32", c, "write"),
  ],
  scalars: () => ["u32"],
  operations: perResult(0),
});
