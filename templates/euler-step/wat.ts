import { type EulerStepParams, eulerStepSignature } from "../../ir/families/euler-step.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, rowTile, watArgs } from "../wat/define.js";

export function eulerStepWat(params: EulerStepParams): KernelDefinition {
  const { c } = params;
  const signature = eulerStepSignature(params);
  const tileM = rowTile(c);
  return defineWat("euler-step", params, signature, {
    template: "euler-step/euler-step.wat.hbs",
    values: { args: watArgs(signature), c, tail: c % 4, tileM },
    tile: [1, tileM, 1],
  });
}
