import { type GatherParams, gatherSignature } from "../../ir/families/gather.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows, tileRowsOf } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

const THREADS = 256;

export function gatherCuda(params: GatherParams, target: Target): KernelDefinition {
  const rows = tileRowsOf(params.c, THREADS);
  return defineCudaRows(
    {
      family: "gather",
      params,
      signature: gatherSignature(params),
      template: "gather/rows.cu.hbs",
      values: { c: params.c, tileRows: rows },
      threads: THREADS,
      blocks: 4,
      rows,
    },
    target,
  );
}
