import { type AdalnParams, adalnSignature } from "../../ir/families/adaln.js";
import type { Target } from "../../targets/target.js";
import { definePlannedRows, modulationPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function adalnCuda(params: AdalnParams, target: Target): KernelDefinition {
  const { c, epsilon } = params;
  return definePlannedRows(
    {
      family: "adaln",
      params,
      signature: adalnSignature(params),
      template: "adaln/row.cu.hbs",
      values: { c, epsilon },
    },
    modulationPlan(c),
    target,
  );
}
