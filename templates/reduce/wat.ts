import { reduce } from "../../ir/families/reduce.js";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
import { scalarOffset, watArgs } from "../wat/values.js";

const START: Partial<Record<ReduceFn, string>> = { max: "-inf", min: "inf", prod: "1" };

export const reduceWat = kernelTemplates(reduce.forms.wat, {
  configs: () => [{ variant: "reduce", rows: 8 }],
  values: {
    reduce: ({ fn }, { rows }, { signature }) => ({
      args: watArgs(signature),
      length: scalarOffset(signature),
      fn,
      start: START[fn] ?? "0",
      tileM: rows,
    }),
  },
  cost: {
    reduce: watStreams(
      reduce, // One element at a time, in f64.
      ({ fn }) => (fn === "log-sum-exp" ? { passes: 2, more: 600, special: 4 } : { more: 45 }),
    ),
  },
});
