import { type GatherParams, gatherSignature } from "../../ir/families/gather.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function gatherWgsl(params: GatherParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "gather",
      params,
      signature: gatherSignature(params),
      template: "gather/rows.wgsl.hbs",
      values: { c: params.c },
    },
    target,
  );
}
