import { qkNormRope } from "../../ir/families/qk-norm-rope.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rowTile } from "../wat/rows.js";
import { watStreams } from "../wat/streams.js";
import { watArgs, watFloat } from "../wat/values.js";

export const qkNormRopeWat = kernelTemplates(qkNormRope.forms.wat, {
  configs: ({ params: { heads, headDim } }) => [{ variant: "qk-norm-rope", rows: rowTile(heads * headDim) }],
  values: {
    "qk-norm-rope": ({ heads, headDim, norm, epsilon, weight, rope }, { rows }, { signature }) => ({
      args: watArgs(signature),
      heads,
      headDim,
      whole: headDim - (headDim % 4),
      tail: headDim % 4,
      norm,
      epsilon: watFloat(epsilon),
      weight,
      rope,
      tileM: rows,
    }),
  },
  cost: {
    "qk-norm-rope": watStreams(qkNormRope, ({ heads, norm, rope }) => ({
      ...{ passes: norm ? 2 : 1, vectors: heads, folds: norm ? heads : 0 },
      more: rope ? 8 : 0,
    })),
  },
});
