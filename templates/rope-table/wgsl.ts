import { ropeTable } from "../../ir/families/rope-table.js";
import { ropePairs } from "../../ir/ops/frequencies.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const ropeTableWgsl = kernelTemplates(ropeTable.forms.wgsl, {
  configs: () => [{ variant: "pairs", threads: 64 }],
  values: {
    pairs(params, { threads }) {
      const pairs = ropePairs(params);
      return {
        pairs: pairs.length,
        threads,
        frequencies: pairs.map(({ frequency }) => frequency),
        axes: pairs.map(({ axis }) => axis),
      };
    },
  },
  header: () => ({ names: { cos: "cosines", sin: "sines" } }),
  cost: {
    pairs: wgslStreams(ropeTable, () => ({ more: 20 })),
  },
});
