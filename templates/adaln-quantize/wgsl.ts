import { adalnQuantize } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { type SubgroupRow, subgroupRowFold, subgroupRows } from "../wgsl/subgroups.js";

export const adalnQuantizeWgsl = kernelTemplates(adalnQuantize.forms.wgsl, {
  configs: ({ device }) => [{ variant: "row", threads: 64 }, ...subgroupRows(device)],
  values: {
    row: ({ c, epsilon }, { threads }) => ({ c, epsilon, words: paddedK(c) / 4, threads, lanes: 0 }),
    subgroup: ({ c, epsilon }, { threads, lanes }) => ({ c, epsilon, words: paddedK(c) / 4, threads, lanes }),
  },
  cost: {
    row: wgslStreams(
      adalnQuantize, // The result is computed for its maximum and again for its codes.
      () => ({ passes: 4, vectors: 2, folds: 4, more: 8 }),
    ),
    subgroup: wgslStreams(adalnQuantize, (_, config: SubgroupRow) => ({
      ...{ passes: 4, vectors: 2, folds: 4, more: 8, fold: subgroupRowFold(config) },
    })),
  },
});
