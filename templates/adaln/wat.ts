import { type AdalnParams, adalnSignature } from "../../ir/families/adaln.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, rowTile, watArgs, watFloat } from "../wat/define.js";

export function adalnWat(params: AdalnParams): KernelDefinition {
  const { c, epsilon } = params;
  const signature = adalnSignature(params);
  const tileM = rowTile(c);
  return defineWat("adaln", params, signature, {
    template: "adaln/adaln.wat.hbs",
    values: { args: watArgs(signature), c, tail: c % 4, epsilon: watFloat(epsilon), tileM },
    tile: [1, tileM, 1],
  });
}
