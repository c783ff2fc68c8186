import { type SoftmaxParams, softmaxSignature } from "../../ir/families/softmax.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function softmaxWgsl(params: SoftmaxParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "softmax",
      params,
      signature: softmaxSignature(params),
      template: "softmax/row.wgsl.hbs",
      values: { log: params.log },
    },
    target,
  );
}
