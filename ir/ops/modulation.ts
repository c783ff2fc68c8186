import { op } from "./definition.js";
import { sameAsFirst, tensor } from "./results.js";
import { MODEL, MODEL_ROWS } from "./traits.js";

/** Shift, scale and gate of rows. T: tokens, C: channels. */
export const modulation = {
  /** (x[B, T, C], shift[B, C], scale[B, C]) → x·(1 + scale) + shift */
  modulate: op({ operands: 3, attrs: {}, infer: sameAsFirst, traits: MODEL }),
  /** (residual[B, T, C], gate[B, C], y[B, T, C]) → residual + gate·y */
  "gated-residual": op({
    operands: 3,
    attrs: {},
    infer: (o) => tensor(o.dtype(2), o.shape(2)),
    traits: MODEL,
  }),
  /** (x[B, T, C], shift[B, C], scale[B, C]) → modulate(layerNorm(x)) (`fuse-adaln`) */
  adaln: op({
    operands: 3,
    attrs: { epsilon: "number" },
    infer: sameAsFirst,
    // The residual stream comes in f32.
    traits: { ...MODEL_ROWS, narrow: { reads: [], stores: () => true, alike: false } },
  }),
};
