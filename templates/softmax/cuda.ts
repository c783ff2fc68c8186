import { type SoftmaxParams, softmaxSignature } from "../../ir/families/softmax.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function softmaxCuda(params: SoftmaxParams, target: Target): KernelDefinition {
  return defineCudaRows(
    {
      family: "softmax",
      params,
      signature: softmaxSignature(params),
      template: "softmax/row.cu.hbs",
      values: { log: params.log },
      threads: 256,
      blocks: 4,
      rows: 1,
    },
    target,
  );
}
