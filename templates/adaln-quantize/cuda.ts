import type { Target } from "../../targets/target.js";
import { definePlannedRows, HELD_ELEMENTS, rowPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";
import { paddedK } from "../signature.js";
import { type AdalnQuantizeParams, adalnQuantizeSignature } from "./params.js";

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
    // The result takes the place of x next to shift and scale: more elements a thread would spill.
    rowPlan(paddedK(c), "f32", HELD_ELEMENTS),
    target,
  );
}
