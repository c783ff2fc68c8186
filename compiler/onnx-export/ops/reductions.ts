import type { ReduceFn } from "../../../ir/ops/reductions.js";
import type { Section } from "../operands.js";
import { flag } from "../writer.js";

const REDUCE: Readonly<Record<ReduceFn, string>> = {
  sum: "ReduceSum",
  mean: "ReduceMean",
  max: "ReduceMax",
  min: "ReduceMin",
  prod: "ReduceProd",
  l1: "ReduceL1",
  l2: "ReduceL2",
  "log-sum": "ReduceLogSum",
  "log-sum-exp": "ReduceLogSumExp",
  "sum-square": "ReduceSumSquare",
};

/** Along axes: sums and extrema, running ones, the largest entries, softmax. */
export const reductions: Section<"reductions"> = {
  reduce: (n, { fn, keepDims, noopWithEmptyAxes }) =>
    n.op(REDUCE[fn], n.rest(), {
      keepdims: flag(keepDims),
      noop_with_empty_axes: flag(noopWithEmptyAxes),
    }),
  "arg-reduce": (n, { fn, axis, keepDims, selectLast }) =>
    n.op(fn === "max" ? "ArgMax" : "ArgMin", [n.input(0)], {
      axis: { int: axis },
      keepdims: flag(keepDims),
      select_last_index: flag(selectLast),
    }),
  cumsum: (n, { exclusive, reverse }) =>
    n.op("CumSum", n.rest(), { exclusive: flag(exclusive), reverse: flag(reverse) }),
  topk: (n, { axis, largest, sorted }) => {
    // k is a vector of one element.
    const k = n.rank(1) === 1 ? n.input(1) : n.reshape(n.input(1), [1]);
    return n.writer.many("TopK", [n.input(0), k], n.node.outputs.length, {
      axis: { int: axis },
      largest: flag(largest),
      sorted: flag(sorted),
    });
  },
  softmax: (n, { axis, log }) => n.op(log ? "LogSoftmax" : "Softmax", [n.input(0)], { axis: { int: axis } }),
  /** The softmax of opsets before 13, on the axes from `axis` on as one. */
  "softmax-flat": (n, { axis, log }) => {
    const x = n.input(0);
    const flat = n.op("Flatten", [x], { axis: { int: axis } });
    const y = n.op(log ? "LogSoftmax" : "Softmax", [flat], { axis: { int: 1 } });
    return n.op("Reshape", [y, n.op("Shape", [x])]);
  },
};
