import { adaln } from "../../ir/families/adaln.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { type SubgroupRow, subgroupRowFold, subgroupRows } from "../wgsl/subgroups.js";

export const adalnWgsl = kernelTemplates(adaln.forms.wgsl, {
  configs: ({ device }) => [{ variant: "row", threads: 64 }, ...subgroupRows(device)],
  values: {
    row: ({ c, epsilon }, { threads }) => ({ c, epsilon, threads, lanes: 0 }),
    subgroup: ({ c, epsilon }, { threads, lanes }) => ({ c, epsilon, threads, lanes }),
  },
  cost: {
    row: wgslStreams(adaln, () => ({ passes: 3, vectors: 1, folds: 2 })),
    subgroup: wgslStreams(adaln, (_, config: SubgroupRow) => ({
      ...{ passes: 3, vectors: 1, folds: 2, fold: subgroupRowFold(config) },
    })),
  },
});
