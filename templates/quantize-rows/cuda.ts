import { paddedK } from "../../ir/families/contract/arguments.js";
import { type QuantizeRowsParams, quantizeRowsSignature, rowParts } from "../../ir/families/quantize-rows.js";
import type { Target } from "../../targets/target.js";
import { definePlannedRows, quantizationPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function quantizeRowsCuda(params: QuantizeRowsParams, target: Target): KernelDefinition {
  const { c, parts, x = "f32" } = params;
  const plan = quantizationPlan(c, x);
  const [first, ...others] = parts === undefined ? [{ name: "x", start: 0 }] : rowParts(c, parts);
  const starts = others.map(({ name, start }) => ({ name, start }));
  return definePlannedRows(
    {
      family: "quantize-rows",
      params,
      signature: quantizeRowsSignature(params),
      template: "quantize-rows/row.cu.hbs",
      values: {
        c,
        padded: paddedK(c),
        vector: plan.vector,
        first: first?.name ?? "x0",
        others: starts,
        whole: starts.every(({ start }) => start % plan.vector === 0),
      },
    },
    plan,
    target,
  );
}
