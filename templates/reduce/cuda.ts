import { reduce } from "../../ir/families/reduce.js";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

interface Reduction {
  readonly start: string;
  readonly fold: string;
  readonly element: string;
  readonly finish: string;
}

const SUM: Reduction = { start: "0.0f", fold: "total + value", element: "value", finish: "total" };
const REDUCTIONS: Readonly<Record<ReduceFn, Reduction>> = {
  sum: SUM,
  mean: { ...SUM, finish: "total / c" },
  // A NaN wins, as in the interpreter.
  max: {
    ...SUM,
    start: "__uint_as_float(0xff800000u)",
    fold: "total >= value || total != total ? total : value",
  },
  min: {
    ...SUM,
    start: "__uint_as_float(0x7f800000u)",
    fold: "total <= value || total != total ? total : value",
  },
  prod: { ...SUM, start: "1.0f", fold: "total * value" },
  l1: { ...SUM, element: "fabsf(value)" },
  l2: { ...SUM, element: "value * value", finish: "sqrtf(total)" },
  "log-sum": { ...SUM, finish: "logf(total)" },
  "log-sum-exp": { ...SUM, element: "expf(value)", finish: "logf(total)" },
  "sum-square": { ...SUM, element: "value * value" },
};

export const reduceCuda = kernelTemplates(reduce.forms.cuda, {
  configs: () => [{ variant: "row", threads: 256, blocks: 4 }],
  values: { row: ({ fn }, { blocks }) => ({ ...REDUCTIONS[fn], shifted: fn === "log-sum-exp", blocks }) },
  keepsOrder: true,
  cost: {
    row: cudaStreams(reduce, ({ fn }) =>
      fn === "log-sum-exp" ? { passes: 2, folds: 2, special: 1 } : { folds: 1 },
    ),
  },
});
