import { op } from "./definition.js";
import { sameAsFirst, tensor } from "./results.js";
import { MODEL_ROWS } from "./traits.js";

/** What is done head by head. T: tokens, H: heads, D: channels of a head. */
export const attention = {
  /** (x[B, T, H·D], cos[T, D/2], sin[T, D/2]): rotates pairs (2j, 2j+1) of each head:
   *  y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin */
  rope: op({ operands: 3, attrs: { headDim: "number" }, infer: sameAsFirst, traits: MODEL_ROWS }),
  /** (x[B, T, H·D], weight[D]?, cos, sin) → rope(rmsNorm(x)) per head */
  "qk-norm-rope": op({
    operands: 4,
    attrs: { headDim: "number", epsilon: "number" },
    infer: sameAsFirst,
    traits: MODEL_ROWS,
  }),
  /** (q, k, v: [B, T, H·D]) → [B, T, H·D]: softmax(scale·q·kᵀ)·v per head */
  attention: op({
    operands: 3,
    attrs: { heads: "number", scale: "number" },
    infer: (o) => {
      const [q, v] = [o.shape(0), o.shape(2)];
      return tensor(o.dtype(0), q === null || v === null ? null : [...q.slice(0, -1), v.at(-1) ?? 1]);
    },
    traits: { ...MODEL_ROWS, narrow: { reads: [0, 1, 2], stores: () => true, alike: true } },
  }),
};
