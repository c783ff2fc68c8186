import { type RopeTableParams, ropeTableSignature } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows, tileRowsOf } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

const THREADS = 128;

export function ropeTableCuda(params: RopeTableParams, target: Target): KernelDefinition {
  const pairs = ropePairs(params);
  const rows = tileRowsOf(4 * pairs.length, THREADS);
  return defineCudaRows(
    {
      family: "rope-table",
      params,
      signature: ropeTableSignature(params),
      template: "rope-table/pairs.cu.hbs",
      values: {
        pairs: pairs.length,
        tileRows: rows,
        frequencies: pairs.map(({ frequency }) => frequency),
        axes: pairs.map(({ axis }) => axis),
      },
      threads: THREADS,
      blocks: 8,
      rows,
    },
    target,
  );
}
