import type { ValueType } from "../graph/graph.js";
import { op } from "./definition.js";
import { productShape } from "./linalg.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { MODEL, MODEL_ROWS, PLAIN } from "./traits.js";

/** Codes, row scales and row sums of x[..., C]. */
function quantizedRows(o: Operands): readonly ValueType[] {
  const shape = o.shape(0);
  const rows = shape?.slice(0, -1) ?? null;
  return [
    { dtype: "i8", shape },
    { dtype: "f32", shape: rows },
    { dtype: "i32", shape: rows },
  ];
}

/** Integers with scales. */
export const quantized = {
  /** (a, b, aZero?, bZero?): exact i32 */
  "matmul-integer": op({
    operands: [2, 4],
    attrs: {},
    infer: (o) => tensor("i32", productShape(o)),
    traits: PLAIN,
  }),
  /** (codes, scale, zeroPoint?), when the codes are not constant */
  "dequantize-linear": op({
    operands: [2, 3],
    attrs: { axis: "axis", blockSize: "number" },
    infer: (o) => tensor(o.dtype(1), o.shape(0)),
    traits: PLAIN,
  }),
  /** (x[..., T, C]) → q i8 [..., T, C], rowScale f32 [..., T], rowSum i32 [..., T]; see `ir/ternary/quantize.ts` */
  "quantize-rows": op({
    operands: 1,
    results: 3,
    attrs: {},
    infer: quantizedRows,
    traits: {
      ...MODEL_ROWS,
      narrow: { reads: [0], stores: () => false, alike: false },
      perStep: () => true,
    },
  }),
  /** As adaln, then quantize-rows → (q, rowScale, rowSum) */
  "adaln-quantize": op({
    operands: 3,
    results: 3,
    attrs: { epsilon: "number" },
    infer: quantizedRows,
    traits: { ...MODEL, rowWise: true },
  }),
};
