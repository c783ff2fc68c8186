import { reduce } from "../../ir/families/reduce.js";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

interface Reduction {
  readonly start: string;
  readonly fold: string;
  readonly element: string;
  readonly finish: string;
}

const SUM: Reduction = { start: "0.0", fold: "total + value", element: "value", finish: "total" };
const REDUCTIONS: Readonly<Record<ReduceFn, Reduction>> = {
  sum: SUM,
  mean: { ...SUM, finish: "total / c" },
  max: { start: "-3.40282e38", fold: "max(total, value)", element: "value", finish: "total" },
  min: { start: "3.40282e38", fold: "min(total, value)", element: "value", finish: "total" },
  prod: { start: "1.0", fold: "total * value", element: "value", finish: "total" },
  l1: { ...SUM, element: "abs(value)" },
  l2: { ...SUM, element: "value * value", finish: "sqrt(total)" },
  "log-sum": { ...SUM, finish: "log(total)" },
  "log-sum-exp": { ...SUM, element: "exp(value)", finish: "log(total)" },
  "sum-square": { ...SUM, element: "value * value" },
};

export const reduceWgsl = kernelTemplates(reduce.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ fn }, { threads }) => ({ ...REDUCTIONS[fn], shifted: fn === "log-sum-exp", threads }) },
  cost: {
    row: wgslStreams(reduce, ({ fn }) =>
      fn === "log-sum-exp" ? { passes: 2, folds: 3, special: 1 } : { folds: 2 },
    ),
  },
});
