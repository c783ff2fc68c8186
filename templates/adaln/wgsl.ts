import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";
import { type AdalnParams, adalnSignature } from "./params.js";

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
