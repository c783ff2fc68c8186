import { gather } from "../../ir/families/gather.js";
import { tileRowsOf } from "../cuda/row-plan.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const gatherCuda = kernelTemplates(gather.forms.cuda, {
  configs: ({ params }) => [
    { variant: "rows", threads: 256, blocks: 4, tileRows: tileRowsOf(params.c, 256) },
  ],
  values: {
    rows: ({ c, held = "f32" }, { tileRows, blocks }) => ({ c, tileRows, blocks, held }),
  },
  cost: {
    rows: cudaStreams(gather, ({ held }) => ({
      table: "table",
      more: held === undefined || held === "bf16" ? 3 : 12,
    })),
  },
});
