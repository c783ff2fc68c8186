import { type ReduceParams, reduceSignature } from "../../ir/families/reduce.js";
import type { ReduceFn } from "../../ir/ops/reductions.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, scalarOffset, watArgs } from "../wat/define.js";

const START: Partial<Record<ReduceFn, string>> = { max: "-inf", min: "inf", prod: "1" };

export function reduceWat(params: ReduceParams): KernelDefinition {
  const signature = reduceSignature(params);
  return defineWat("reduce", params, signature, {
    template: "reduce/reduce.wat.hbs",
    values: {
      args: watArgs(signature),
      length: scalarOffset(signature),
      fn: params.fn,
      start: START[params.fn] ?? "0",
      tileM: 8,
    },
    tile: [1, 8, 1],
  });
}
