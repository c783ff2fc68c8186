import { present, rowArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, floats, optional, real, size, type ValuesOf } from "./contract/params.js";

const params = {
  heads: size,
  headDim: size,
  norm: flag,
  /** Used where `norm`. */
  epsilon: real,
  /** The weight argument is present (only where `norm`). */
  weight: flag,
  /** The cos and sin arguments are present; headDim is even. */
  rope: flag,
  /** What `x` and `out` are stored in; f32 if absent. */
  x: optional(floats),
  out: optional(floats),
};
export type QkNormRopeParams = ValuesOf<typeof params>;

/**
 * Per head of `headDim` channels: x·rsqrt(mean(x²) + epsilon)·weight (where `norm`), then pairs (2j, 2j+1) are
 * rotated: y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin (where `rope`). Plain RMSNorm is heads = 1 without rope.
 */
export const qkNormRope = defineFamily({
  params,
  args: ({ heads, headDim, weight, rope, x = "f32", out = "f32" }) =>
    present([
      rowArg("x", x, heads * headDim),
      weight && wholeArg("weight", "f32", headDim),
      rope && rowArg("cos", "f32", headDim / 2),
      rope && rowArg("sin", "f32", headDim / 2),
      rowArg("out", out, heads * headDim, "write"),
    ]),
  // sum of squares 2, two factors 2, rotation 3
  operations: perResult(7),
});

export const qkNormRopeSignature = qkNormRope.signature;
