import { gather } from "../../ir/families/gather.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rowTile } from "../wat/rows.js";
import { watStreams } from "../wat/streams.js";
import { scalarOffset, watArgs } from "../wat/values.js";

export const gatherWat = kernelTemplates(gather.forms.wat, {
  configs: ({ params }) => [{ variant: "gather", rows: rowTile(params.c) }],
  values: {
    gather: ({ c, held = "f32" }, { rows }, { signature }) => ({
      args: watArgs(signature),
      c,
      count: scalarOffset(signature),
      // The table is argument 0: words are rows, its address, its row stride, …
      stride: 8,
      tileM: rows,
      held,
      shift: held === "f32" ? 2 : held === "bf16" ? 1 : 0,
    }),
  },
  cost: {
    gather: watStreams(gather, ({ held }) => ({ table: "table", more: held === undefined ? 0 : 6 })),
  },
});
