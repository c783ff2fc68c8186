import { layerNorm } from "../../ir/families/layer-norm.js";
import { normalizationPlan } from "../cuda/row-plan.js";
import { cudaSharedRowCosts } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const layerNormCuda = kernelTemplates(layerNorm.forms.cuda, {
  configs: ({ params, device }) => [{ variant: "row", ...normalizationPlan(params.c, device) }],
  values: {
    row: ({ c, epsilon, scale, bias }, { group, held, blocks }) => ({
      c,
      epsilon,
      scaled: scale,
      biased: bias,
      group,
      held,
      blocks,
    }),
  },
  keepsOrder: true,
  cost: {
    row: cudaSharedRowCosts(layerNorm, ({ c }) => ({ length: c, passes: 3, vectors: 1, folds: 2 })),
  },
});
