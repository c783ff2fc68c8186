import { qkNormRope } from "../../ir/families/qk-norm-rope.js";
import { kernelTemplates } from "../kernel-templates.js";

export const qkNormRopeWgsl = kernelTemplates(qkNormRope.forms.wgsl, {
  // A single wide head takes the whole workgroup.
  configs: ({ params }) => [{ variant: "heads", threads: 64, lanes: params.heads === 1 ? 64 : 16 }],
  values: {
    heads: ({ heads, headDim, norm, epsilon, weight, rope }, { threads, lanes }) => ({
      heads,
      headDim,
      threads,
      lanes,
      norm,
      epsilon,
      weighted: norm && weight,
      rope,
    }),
  },
  header: () => ({ names: { cos: "cosines", sin: "sines" } }),
});
