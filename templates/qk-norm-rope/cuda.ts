import { qkNormRope } from "../../ir/families/qk-norm-rope.js";
import { normalizationPlan, vectorOf } from "../cuda/row-plan.js";
import { cudaSharedRowCosts } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const qkNormRopeCuda = kernelTemplates(qkNormRope.forms.cuda, {
  configs: ({ params: { headDim, x }, device }) => [
    { variant: "heads", vector: vectorOf(x), ...normalizationPlan(headDim, device, x) },
  ],
  values: {
    heads: ({ heads, headDim, norm, epsilon, weight, rope }, { vector, group, held, blocks }) => ({
      heads,
      headDim,
      vector,
      group,
      held,
      blocks,
      norm,
      epsilon,
      weighted: norm && weight,
      rope,
    }),
  },
  keepsOrder: true,
  cost: {
    heads: cudaSharedRowCosts(qkNormRope, ({ heads, headDim, norm }) => ({
      ...{ length: headDim, heads, passes: norm ? 2 : 1, vectors: heads, folds: norm ? 1 : 0 },
    })),
  },
});
