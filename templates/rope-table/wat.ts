import { ropeTable } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
import { watArgs } from "../wat/values.js";

export const ropeTableWat = kernelTemplates(ropeTable.forms.wat, {
  configs: () => [{ variant: "rope-table", rows: 8 }],
  values: {
    "rope-table": (params, { rows }, { signature }) => ({
      args: watArgs(signature),
      frequencies: ropePairs(params).map(({ axis, frequency }, i) => ({
        axis: 4 * axis,
        value: frequency,
        at: 4 * i,
      })),
      tileM: rows,
    }),
  },
  cost: {
    "rope-table": watStreams(
      ropeTable, // Four calls of functions of the engine for a vector.
      () => ({ more: 300 }),
    ),
  },
});
