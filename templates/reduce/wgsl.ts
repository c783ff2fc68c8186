import { type ReduceParams, reduceSignature } from "../../ir/families/reduce.js";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

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

export function reduceWgsl(params: ReduceParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "reduce",
      params,
      signature: reduceSignature(params),
      template: "reduce/row.wgsl.hbs",
      values: { ...REDUCTIONS[params.fn], shifted: params.fn === "log-sum-exp" },
    },
    target,
  );
}
