import { type AdalnQuantizeParams, adalnQuantizeSignature } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import type { Target } from "../../targets/target.js";
import { definePlannedRows, modulationPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function adalnQuantizeCuda(params: AdalnQuantizeParams, target: Target): KernelDefinition {
  const { c, epsilon } = params;
  return definePlannedRows(
    {
      family: "adaln-quantize",
      params,
      signature: adalnQuantizeSignature(params),
      template: "adaln-quantize/row.cu.hbs",
      values: { c, padded: paddedK(c), epsilon },
    },
    modulationPlan(c),
    target,
  );
}
