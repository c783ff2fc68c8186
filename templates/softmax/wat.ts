import { type SoftmaxParams, softmaxSignature } from "../../ir/families/softmax.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, scalarOffset, watArgs } from "../wat/define.js";

export function softmaxWat(params: SoftmaxParams): KernelDefinition {
  const signature = softmaxSignature(params);
  return defineWat("softmax", params, signature, {
    template: "softmax/softmax.wat.hbs",
    values: { args: watArgs(signature), length: scalarOffset(signature), log: params.log, tileM: 8 },
    tile: [1, 8, 1],
  });
}
