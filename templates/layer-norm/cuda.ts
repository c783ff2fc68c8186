import { layerNorm } from "../../ir/families/layer-norm.js";
import { normalizationPlan } from "../cuda/row-plan.js";
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
});
