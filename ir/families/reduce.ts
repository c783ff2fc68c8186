import { REDUCE_FNS } from "../ops/reductions.js";
import { rowArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { type ValuesOf, word } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { cudaRow, watRows, wgslRow } from "./launch/row-forms.js";

const params = { fn: word(...REDUCE_FNS.oneOf) };
export type ReduceParams = ValuesOf<typeof params>;

/** x[M, c] → out[M], reduced over the row. Scalar: c, so that a reduction over tokens is one kernel too. */
export const reduce = defineFamily({
  params,
  forms: {
    wat: { reduce: watRows<ReduceParams>() },
    wgsl: { row: wgslRow<ReduceParams>() },
    cuda: { row: cudaRow<ReduceParams>({ adds: true }) },
  },
  args: () => [rowArg("x", "f32", scalar(0)), rowArg("out", "f32", 1, "write")],
  scalars: () => ["u32"],
  operations: (_, { rows, scalars: [c = 0] }) => ({ f32: rows * c }),
});
