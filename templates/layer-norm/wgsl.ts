import { type LayerNormParams, layerNormSignature } from "../../ir/families/layer-norm.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function layerNormWgsl(params: LayerNormParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "layer-norm",
      params,
      signature: layerNormSignature(params),
      template: "layer-norm/row.wgsl.hbs",
      values: { c: params.c, epsilon: params.epsilon, scaled: params.scale, biased: params.bias },
    },
    target,
  );
}
