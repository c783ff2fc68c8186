import { type EulerStepParams, eulerStepSignature } from "../../ir/families/euler-step.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function eulerStepWgsl(params: EulerStepParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "euler-step",
      params,
      signature: eulerStepSignature(params),
      template: "euler-step/add.wgsl.hbs",
      values: { c: params.c },
    },
    target,
  );
}
