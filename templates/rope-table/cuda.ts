import { ropeTable } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import { tileRowsOf } from "../cuda/row-plan.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const ropeTableCuda = kernelTemplates(ropeTable.forms.cuda, {
  configs({ params }) {
    const tileRows = tileRowsOf(4 * ropePairs(params).length, 128);
    return [{ variant: "pairs", threads: 128, blocks: 8, tileRows }];
  },
  values: {
    pairs(params, { tileRows, blocks }) {
      const pairs = ropePairs(params);
      return {
        pairs: pairs.length,
        tileRows,
        blocks,
        frequencies: pairs.map(({ frequency }) => frequency),
        axes: pairs.map(({ axis }) => axis),
      };
    },
  },
  cost: {
    pairs: cudaStreams(ropeTable, () => ({ access: 8, more: 60 })),
  },
});
