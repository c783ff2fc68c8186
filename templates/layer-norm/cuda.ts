import { type LayerNormParams, layerNormSignature } from "../../ir/families/layer-norm.js";
import type { Target } from "../../targets/target.js";
import { definePlannedRows, normalizationPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function layerNormCuda(params: LayerNormParams, target: Target): KernelDefinition {
  const { c, epsilon, scale, bias } = params;
  return definePlannedRows(
    {
      family: "layer-norm",
      params,
      signature: layerNormSignature(params),
      template: "layer-norm/row.cu.hbs",
      values: { c, epsilon, scaled: scale, biased: bias },
    },
    normalizationPlan(c),
    target,
  );
}
