import type { Operands } from "./operands.js";
import { type InferRules, sameAsFirst, tensor } from "./rules.js";

function reduced(o: Operands, axes: readonly number[] | undefined, keepDims: boolean) {
  const shape = o.shape(0);
  if (shape === null || axes === undefined) return null;
  const at = new Set(axes.map((a) => o.axis(a, shape.length)));
  return keepDims ? shape.map((d, i) => (at.has(i) ? 1 : d)) : shape.filter((_, i) => !at.has(i));
}

export const REDUCTIONS: InferRules<
  | "reduce"
  | "arg-reduce"
  | "softmax"
  | "softmax-flat"
  | "layer-norm"
  | "rms-norm"
  | "instance-norm"
  | "group-norm"
  | "batch-norm"
  | "lp-norm"
> = {
  reduce: (o, { keepDims, noopWithEmptyAxes }) => {
    const given = o.has(1) ? o.plainInts(1) : [];
    if (given === undefined) return tensor(o.dtype(0), null);
    if (given.length === 0 && noopWithEmptyAxes) return sameAsFirst(o);
    return tensor(
      o.dtype(0),
      reduced(o, given.length === 0 ? o.shape(0)?.map((_, i) => i) : given, keepDims),
    );
  },
  "arg-reduce": (o, { axis, keepDims }) => tensor("i64", reduced(o, [axis], keepDims)),
  softmax: sameAsFirst,
  "softmax-flat": sameAsFirst,
  "layer-norm": sameAsFirst,
  "rms-norm": sameAsFirst,
  "instance-norm": sameAsFirst,
  "group-norm": sameAsFirst,
  "batch-norm": sameAsFirst,
  "lp-norm": sameAsFirst,
};
