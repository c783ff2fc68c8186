import type { DType } from "../dtype.js";
import type { ValueType } from "../graph/graph.js";
import { MANY, op, orNull } from "./definition.js";
import { tensor } from "./results.js";
import { PLAIN } from "./traits.js";

function sequence(dtype: DType): readonly ValueType[] {
  return [{ dtype, shape: null, sequence: true }];
}

/** Sequences of tensors; constant folding dissolves them. */
export const sequences = {
  /** Zero or more tensors. */
  "sequence-construct": op({
    operands: [0, MANY],
    attrs: { dtype: orNull("dtype") },
    infer: (o, { dtype }) => sequence(dtype ?? (o.count > 0 ? o.dtype(0) : "f32")),
    traits: PLAIN,
  }),
  /** (sequence, tensor, position?) */
  "sequence-insert": op({ operands: [2, 3], attrs: {}, infer: (o) => sequence(o.dtype(0)), traits: PLAIN }),
  /** (sequence, position) */
  "sequence-at": op({ operands: 2, attrs: {}, infer: (o) => tensor(o.dtype(0), null), traits: PLAIN }),
  "sequence-length": op({ operands: 1, attrs: {}, infer: () => tensor("i64", []), traits: PLAIN }),
  "concat-from-sequence": op({
    operands: 1,
    attrs: { axis: "number", newAxis: "bool" },
    infer: (o) => tensor(o.dtype(0), null),
    traits: PLAIN,
  }),
  /** (x, split?) */
  "split-to-sequence": op({
    operands: [1, 2],
    attrs: { axis: "number", keepDims: "bool" },
    infer: (o) => sequence(o.dtype(0)),
    traits: PLAIN,
  }),
};
