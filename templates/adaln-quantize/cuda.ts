import { adalnQuantize } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import { modulationPlan } from "../cuda/row-plan.js";
import { cudaSharedRowCosts } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnQuantizeCuda = kernelTemplates(adalnQuantize.forms.cuda, {
  configs: ({ params, device }) => [{ variant: "row", ...modulationPlan(params.c, device) }],
  values: {
    row: ({ c, epsilon }, { group, held, blocks }) => ({
      c,
      padded: paddedK(c),
      epsilon,
      group,
      held,
      blocks,
    }),
  },
  keepsOrder: true,
  cost: {
    row: cudaSharedRowCosts(adalnQuantize, ({ c }) => ({ length: c, passes: 4, vectors: 1, folds: 4 })),
  },
});
