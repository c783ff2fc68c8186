import { type QkNormRopeParams, qkNormRopeSignature } from "../../ir/families/qk-norm-rope.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows, normalizationPlan } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function qkNormRopeCuda(params: QkNormRopeParams, target: Target): KernelDefinition {
  const { heads, headDim, norm, epsilon, weight, rope, x = "f32" } = params;
  const { vector, group, held, threads, blocks } = normalizationPlan(headDim, x);
  return defineCudaRows(
    {
      family: "qk-norm-rope",
      params,
      signature: qkNormRopeSignature(params),
      template: "qk-norm-rope/heads.cu.hbs",
      values: { heads, headDim, vector, group, held, norm, epsilon, weighted: norm && weight, rope },
      threads,
      blocks,
      rows: Math.max(1, Math.floor(threads / group / heads)),
    },
    target,
  );
}
