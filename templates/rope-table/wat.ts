import { type RopeTableParams, ropeTableSignature } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, watArgs } from "../wat/define.js";

export function ropeTableWat(params: RopeTableParams): KernelDefinition {
  const signature = ropeTableSignature(params);
  const tileM = 8;
  return defineWat("rope-table", params, signature, {
    template: "rope-table/rope-table.wat.hbs",
    values: {
      args: watArgs(signature),
      frequencies: ropePairs(params).map(({ axis, frequency }, i) => ({
        axis: 4 * axis,
        value: frequency,
        at: 4 * i,
      })),
      tileM,
    },
    tile: [1, tileM, 1],
  });
}
