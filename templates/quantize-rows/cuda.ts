import { paddedK } from "../../ir/families/contract/arguments.js";
import { quantizeRows, rowParts } from "../../ir/families/quantize-rows.js";
import { quantizationPlan, vectorOf } from "../cuda/row-plan.js";
import { cudaSharedRowCosts } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const quantizeRowsCuda = kernelTemplates(quantizeRows.forms.cuda, {
  configs: ({ params: { c, x }, device }) => [
    { variant: "row", vector: vectorOf(x), ...quantizationPlan(c, device, x) },
  ],
  values: {
    row({ c, parts }, { vector, group, held, blocks }) {
      const [first, ...others] = parts === undefined ? [{ name: "x", start: 0 }] : rowParts(c, parts);
      const starts = others.map(({ name, start }) => ({ name, start }));
      return {
        c,
        padded: paddedK(c),
        vector,
        group,
        held,
        blocks,
        first: first?.name ?? "x0",
        others: starts,
        whole: starts.every(({ start }) => start % vector === 0),
      };
    },
  },
  cost: {
    row: cudaSharedRowCosts(quantizeRows, ({ c, parts = [] }) => ({
      length: c,
      passes: 2,
      folds: 2,
      more: parts.length / 2,
    })),
  },
});
