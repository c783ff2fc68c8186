import { type QkNormRopeParams, qkNormRopeSignature } from "../../ir/families/qk-norm-rope.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, rowTile, watArgs, watFloat } from "../wat/define.js";

export function qkNormRopeWat(params: QkNormRopeParams): KernelDefinition {
  const { heads, headDim, norm, epsilon, weight, rope } = params;
  const signature = qkNormRopeSignature(params);
  const tileM = rowTile(heads * headDim);
  return defineWat("qk-norm-rope", params, signature, {
    template: "qk-norm-rope/qk-norm-rope.wat.hbs",
    values: {
      args: watArgs(signature),
      heads,
      headDim,
      whole: headDim - (headDim % 4),
      tail: headDim % 4,
      norm,
      epsilon: watFloat(epsilon),
      weight,
      rope,
      tileM,
    },
    tile: [1, tileM, 1],
  });
}
