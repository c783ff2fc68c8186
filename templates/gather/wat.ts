import { type GatherParams, gatherSignature } from "../../ir/families/gather.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, rowTile, scalarOffset, watArgs } from "../wat/define.js";

export function gatherWat(params: GatherParams): KernelDefinition {
  const { c } = params;
  const signature = gatherSignature(params);
  const tileM = rowTile(c);
  return defineWat("gather", params, signature, {
    template: "gather/gather.wat.hbs",
    // The table is argument 0: words are rows, its address, its row stride, …
    values: { args: watArgs(signature), c, count: scalarOffset(signature), stride: 8, tileM },
    tile: [1, tileM, 1],
  });
}
