import { paddedK } from "../../ir/families/contract/arguments.js";
import { quantizeRows, rowParts } from "../../ir/families/quantize-rows.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { type SubgroupRow, subgroupRowFold, subgroupRows } from "../wgsl/subgroups.js";

export const quantizeRowsWgsl = kernelTemplates(quantizeRows.forms.wgsl, {
  configs: ({ device }) => [
    { variant: "row", threads: 64 },
    ...subgroupRows(device),
    { variant: "parts", threads: 64 },
  ],
  values: {
    row: ({ c }, { threads }) => ({ c, words: paddedK(c) / 4, threads, lanes: 0 }),
    subgroup: ({ c }, { threads, lanes }) => ({ c, words: paddedK(c) / 4, threads, lanes }),
    parts({ c, parts = [] }, { threads }) {
      const placed = rowParts(c, parts);
      const last = placed.at(-1) ?? { name: "x0", start: 0 };
      const front = placed
        .slice(0, -1)
        .map(({ name, start, length }) => ({ name, start, end: start + length }));
      return { c, words: paddedK(c) / 4, threads, front, last: last.name, start: last.start };
    },
  },
  cost: {
    row: wgslStreams(quantizeRows, () => ({ passes: 2, folds: 2, more: 6 })),
    subgroup: wgslStreams(quantizeRows, (_, config: SubgroupRow) => ({
      ...{ passes: 2, folds: 2, more: 6, fold: subgroupRowFold(config) },
    })),
    parts: wgslStreams(quantizeRows, ({ parts = [] }) => ({
      passes: 2,
      folds: 2,
      more: 6 + 4 * parts.length,
    })),
  },
});
