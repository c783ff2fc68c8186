import { present, rowArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, floats, optional, real, size, type ValuesOf } from "./contract/params.js";
import { lanesFeature, SUBGROUP_LANES } from "./launch/features.js";
import { form, threads } from "./launch/form.js";
import { cudaSharedLoop, SHARED_ROWS, sharedRowsFault, vectorFault, watRows } from "./launch/row-forms.js";

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
  forms: {
    wat: { "qk-norm-rope": watRows<QkNormRopeParams>() },
    wgsl: {
      heads: form<QkNormRopeParams>()({
        /** Invocations that share a head. */
        dimensions: { threads: [64], lanes: [16, 64] },
        launch: (_, config) => ({
          workgroup: threads(config.threads),
          tile: [1, 1, 1],
          sharedBytes: config.threads * 4,
        }),
        rounding: ({ norm }, { lanes }) => (norm ? `${lanes} invocations add a head` : ""),
      }),
      /** A subgroup for each head. */
      subgroup: form<QkNormRopeParams>()({
        dimensions: { threads: [64, 128], lanes: SUBGROUP_LANES },
        needs: ({ lanes }) => [lanesFeature(lanes)],
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [1, 1, 1] }),
        rounding: ({ norm }, { lanes }) => (norm ? `subgroups of ${lanes} add a head` : ""),
      }),
    },
    cuda: {
      heads: form<QkNormRopeParams>()({
        dimensions: { ...SHARED_ROWS, vector: [4, 8] },
        needs: () => ["sm_70"],
        refuses: ({ headDim, x }, config) =>
          sharedRowsFault(headDim, config.vector, config) ?? vectorFault(x, config.vector),
        launch({ heads, headDim }, config) {
          const rows = Math.max(1, Math.floor(config.threads / config.group / heads));
          return cudaSharedLoop(headDim, config.vector, rows, config);
        },
        rounding: ({ norm }, { group }) => (norm ? `${group} threads add a head` : ""),
      }),
    },
  },
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
