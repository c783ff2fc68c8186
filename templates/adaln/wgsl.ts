import { type AdalnParams, adalnSignature } from "../../ir/families/adaln.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function adalnWgsl(params: AdalnParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "adaln",
      params,
      signature: adalnSignature(params),
      template: "adaln/row.wgsl.hbs",
      values: { c: params.c, epsilon: params.epsilon },
    },
    target,
  );
}
