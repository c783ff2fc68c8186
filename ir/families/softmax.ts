import { rowArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, type ValuesOf } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { cudaRow, watRows, wgslRow } from "./launch/row-forms.js";

const params = { log: flag };
export type SoftmaxParams = ValuesOf<typeof params>;

/** x[M, c] → softmax (or its logarithm) over each row. Scalar: c, which may be a token count. */
export const softmax = defineFamily({
  params,
  forms: {
    wat: { softmax: watRows<SoftmaxParams>() },
    wgsl: { row: wgslRow<SoftmaxParams>() },
    cuda: { row: cudaRow<SoftmaxParams>({ adds: true }) },
  },
  args: () => [rowArg("x", "f32", scalar(0)), rowArg("out", "f32", scalar(0), "write")],
  scalars: () => ["u32"],
  // maximum, difference, exponential, sum, quotient
  operations: perResult(5),
});
