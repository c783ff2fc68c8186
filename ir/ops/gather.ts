import { oneOf, op, orNull } from "./definition.js";
import { held } from "./held.js";
import { sameAsFirst, tensor } from "./results.js";
import { MOVES, PLAIN } from "./traits.js";

const REDUCTIONS = oneOf("none", "add", "mul", "max", "min");
export type ScatterReduction = (typeof REDUCTIONS.oneOf)[number];

/** Reading and writing by index. */
export const gather = {
  gather: op({
    operands: 2,
    attrs: { axis: "axis", held },
    infer: (o, { axis }) => {
      const [data, indices] = [o.shape(0), o.shape(1)];
      if (data === null || indices === null) return tensor(o.dtype(0), null);
      const at = o.axis(axis, data.length);
      return tensor(o.dtype(0), [...data.slice(0, at), ...indices, ...data.slice(at + 1)]);
    },
    traits: MOVES,
  }),
  "gather-elements": op({
    operands: 2,
    attrs: { axis: "axis" },
    infer: (o) => tensor(o.dtype(0), o.shape(1)),
    traits: MOVES,
  }),
  "gather-nd": op({
    operands: 2,
    attrs: { batchDims: "number" },
    infer: (o, { batchDims }) => {
      const [data, indices] = [o.shape(0), o.shape(1)];
      const depth = indices?.at(-1);
      if (data === null || indices === null || typeof depth !== "number") return tensor(o.dtype(0), null);
      return tensor(o.dtype(0), [...indices.slice(0, -1), ...data.slice(batchDims + depth)]);
    },
    traits: MOVES,
  }),
  "scatter-elements": op({
    operands: 3,
    attrs: { axis: "axis", reduction: REDUCTIONS },
    infer: sameAsFirst,
    traits: PLAIN,
  }),
  "scatter-nd": op({ operands: 3, attrs: { reduction: REDUCTIONS }, infer: sameAsFirst, traits: PLAIN }),
  nonzero: op({ operands: 1, attrs: {}, infer: () => tensor("i64", null), traits: PLAIN }),
  /** (indices, depth, [off, on]) */
  "one-hot": op({
    operands: 3,
    attrs: { axis: "number" },
    infer: (o, { axis }) => {
      const shape = o.shape(0);
      const depth = o.ints(1)?.[0];
      if (shape === null || depth === undefined) return tensor(o.dtype(2), null);
      const at = o.axis(axis, shape.length + 1);
      return tensor(o.dtype(2), [...shape.slice(0, at), depth, ...shape.slice(at)]);
    },
    traits: PLAIN,
  }),
  /** (x, condition) */
  compress: op({
    operands: 2,
    attrs: { axis: orNull("number") },
    infer: (o) => tensor(o.dtype(0), null),
    traits: PLAIN,
  }),
};
