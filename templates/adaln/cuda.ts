import { adaln } from "../../ir/families/adaln.js";
import { modulationPlan } from "../cuda/row-plan.js";
import { cudaSharedRowCosts } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnCuda = kernelTemplates(adaln.forms.cuda, {
  configs: ({ params, device }) => [{ variant: "row", ...modulationPlan(params.c, device) }],
  values: { row: ({ c, epsilon }, { group, held, blocks }) => ({ c, epsilon, group, held, blocks }) },
  keepsOrder: true,
  cost: {
    row: cudaSharedRowCosts(adaln, ({ c }) => ({ length: c, passes: 3, vectors: 1, folds: 2 })),
  },
});
