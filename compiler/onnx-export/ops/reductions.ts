import type { ReduceFn } from "../../../ir/ops/index.js";
import type { Section } from "../operands.js";

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

export const reductions: Section<"reduce" | "arg-reduce" | "softmax" | "softmax-flat"> = {
  reduce: (n, { fn, keepDims, noopWithEmptyAxes }) =>
    n.op(REDUCE[fn], n.rest(), {
      keepdims: { int: keepDims ? 1 : 0 },
      noop_with_empty_axes: { int: noopWithEmptyAxes ? 1 : 0 },
    }),
  "arg-reduce": (n, { fn, axis, keepDims, selectLast }) =>
    n.op(fn === "max" ? "ArgMax" : "ArgMin", [n.input(0)], {
      axis: { int: axis },
      keepdims: { int: keepDims ? 1 : 0 },
      select_last_index: { int: selectLast ? 1 : 0 },
    }),
  softmax: (n, { axis, log }) => n.op(log ? "LogSoftmax" : "Softmax", [n.input(0)], { axis: { int: axis } }),
  /** The softmax of opsets before 13, on the axes from `axis` on as one. */
  "softmax-flat": (n, { axis, log }) => {
    const x = n.input(0);
    const flat = n.op("Flatten", [x], { axis: { int: axis } });
    const y = n.op(log ? "LogSoftmax" : "Softmax", [flat], { axis: { int: 1 } });
    return n.op("Reshape", [y, n.op("Shape", [x])]);
  },
};
