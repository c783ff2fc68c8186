import type { Shape } from "../dim.js";
import { oneOf, op } from "./definition.js";
import type { Operands } from "./operands.js";
import { sameAsFirst, tensor } from "./results.js";
import { PLAIN } from "./traits.js";

export const REDUCE_FNS = oneOf(
  "sum",
  "mean",
  "max",
  "min",
  "prod",
  "l1",
  "l2",
  "log-sum",
  "log-sum-exp",
  "sum-square",
);
export type ReduceFn = (typeof REDUCE_FNS.oneOf)[number];

function reduced(o: Operands, axes: readonly number[] | undefined, keepDims: boolean): Shape | null {
  const shape = o.shape(0);
  if (shape === null || axes === undefined) return null;
  const at = new Set(axes.map((a) => o.axis(a, shape.length)));
  return keepDims ? shape.map((d, i) => (at.has(i) ? 1 : d)) : shape.filter((_, i) => !at.has(i));
}

/** Along axes: sums and extrema, running ones, the largest entries, softmax. */
export const reductions = {
  /** (x, axes?); without axes: all, or none if noopWithEmptyAxes */
  reduce: op({
    operands: [1, 2],
    attrs: { fn: REDUCE_FNS, keepDims: "bool", noopWithEmptyAxes: "bool" },
    infer: (o, { keepDims, noopWithEmptyAxes }) => {
      const given = o.has(1) ? o.plainInts(1) : [];
      if (given === undefined) return tensor(o.dtype(0), null);
      if (given.length === 0 && noopWithEmptyAxes) return sameAsFirst(o);
      return tensor(
        o.dtype(0),
        reduced(o, given.length === 0 ? o.shape(0)?.map((_, i) => i) : given, keepDims),
      );
    },
    traits: PLAIN,
  }),
  "arg-reduce": op({
    operands: 1,
    attrs: { fn: oneOf("max", "min"), axis: "axis", keepDims: "bool", selectLast: "bool" },
    infer: (o, { axis, keepDims }) => tensor("i64", reduced(o, [axis], keepDims)),
    traits: PLAIN,
  }),
  /** (x, axis) */
  cumsum: op({
    operands: 2,
    attrs: { exclusive: "bool", reverse: "bool" },
    infer: sameAsFirst,
    traits: PLAIN,
  }),
  /** (x, k) */
  topk: op({
    operands: 2,
    results: 2,
    attrs: { axis: "axis", largest: "bool", sorted: "bool" },
    infer: (o, { axis }) => {
      const shape = o.shape(0);
      const k = o.ints(1)?.[0];
      const result =
        shape === null || k === undefined
          ? null
          : shape.map((d, i) => (i === o.axis(axis, shape.length) ? k : d));
      return [
        { dtype: o.dtype(0), shape: result },
        { dtype: "i64", shape: result },
      ];
    },
    traits: PLAIN,
  }),
  softmax: op({ operands: 1, attrs: { axis: "axis", log: "bool" }, infer: sameAsFirst, traits: PLAIN }),
  /** Softmax before opset 13: over all axes from `axis` on, flattened. */
  "softmax-flat": op({
    operands: 1,
    attrs: { axis: "number", log: "bool" },
    infer: sameAsFirst,
    traits: PLAIN,
  }),
};
