import { type LayerNormParams, layerNormSignature } from "../../ir/families/layer-norm.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, rowTile, watArgs, watFloat } from "../wat/define.js";

export function layerNormWat(params: LayerNormParams): KernelDefinition {
  const { c, epsilon, scale, bias } = params;
  const signature = layerNormSignature(params);
  const tileM = rowTile(c);
  return defineWat("layer-norm", params, signature, {
    template: "layer-norm/layer-norm.wat.hbs",
    values: { args: watArgs(signature), c, tail: c % 4, epsilon: watFloat(epsilon), scale, bias, tileM },
    tile: [1, tileM, 1],
  });
}
