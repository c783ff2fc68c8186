import { type QkNormRopeParams, qkNormRopeSignature } from "../../ir/families/qk-norm-rope.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function qkNormRopeWgsl(params: QkNormRopeParams, target: Target): KernelDefinition {
  const { heads, headDim, norm, epsilon, weight, rope } = params;
  return defineRowKernel(
    {
      family: "qk-norm-rope",
      params,
      signature: qkNormRopeSignature(params),
      template: "qk-norm-rope/heads.wgsl.hbs",
      values: {
        heads,
        headDim,
        // A single wide head takes the whole workgroup.
        lanes: heads === 1 ? 64 : 16,
        norm,
        epsilon,
        weighted: norm && weight,
        rope,
      },
      header: { names: { cos: "cosines", sin: "sines" } },
    },
    target,
  );
}
