import type { DType } from "../../../ir/dtype.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { ReduceFn } from "../../../ir/ops/reductions.js";
import { typed } from "../builder.js";
import type { Operation, OperatorImporter } from "../operation.js";

/** @param since opset in which the attribute `axes` became an operand */
function reduce(fn: ReduceFn, since: number): OperatorImporter {
  return (n) => {
    const x = n.input(0);
    const keepDims = n.flag("keepdims", true);
    if (n.opset < since) {
      const list = n.ints("axes");
      const rank = n.rank(x);
      const bad = list?.find((axis) => rank !== undefined && (axis < -rank || axis >= rank));
      if (bad !== undefined) n.fail("an axis is out of range", `-${rank} to ${(rank ?? 0) - 1}`, `${bad}`);
      const axes = list === null ? null : n.i64(list);
      return n.result("reduce", axes === null ? [x] : [x, axes], { fn, keepDims, noopWithEmptyAxes: false });
    }
    const noopWithEmptyAxes = n.flag("noop_with_empty_axes", false);
    const axes = n.optional(1);
    if (axes !== null) n.requireType(axes, ["i64"]);
    n.result("reduce", axes === null ? [x] : [x, axes], { fn, keepDims, noopWithEmptyAxes });
  };
}

export const ReduceSum = reduce("sum", 13);
export const ReduceMean = reduce("mean", 18);
export const ReduceMax = reduce("max", 18);
export const ReduceMin = reduce("min", 18);
export const ReduceProd = reduce("prod", 18);
export const ReduceL1 = reduce("l1", 18);
export const ReduceL2 = reduce("l2", 18);
export const ReduceLogSum = reduce("log-sum", 18);
export const ReduceLogSumExp = reduce("log-sum-exp", 18);
export const ReduceSumSquare = reduce("sum-square", 18);

function argReduce(fn: "max" | "min"): OperatorImporter {
  return (n) => {
    const x = n.input(0);
    const keepDims = n.flag("keepdims", true);
    const selectLast = n.flag("select_last_index", false);
    n.result("arg-reduce", [x], { fn, axis: n.axis("axis", x, 0), keepDims, selectLast }, "i64");
  };
}

export const ArgMax = argReduce("max");
export const ArgMin = argReduce("min");

function softmax(log: boolean): OperatorImporter {
  return (n) => {
    const x = n.input(0);
    if (n.opset >= 13) return n.result("softmax", [x], { axis: n.axis("axis", x, -1), log });
    n.result("softmax-flat", [x], { axis: n.axis("axis", x, 1), log });
  };
}

export const Softmax = softmax(false);
export const LogSoftmax = softmax(true);

/** One where the maximum first occurs, zero elsewhere. */
export function Hardmax(n: Operation) {
  const x = n.input(0);
  if (n.opset < 13) n.refuse("Hardmax before opset 13 is not supported");
  const axis = n.axis("axis", x, -1);
  const attrs = { fn: "max", axis, keepDims: false, selectLast: false } as const;
  const index = n.emit("arg-reduce", [x], attrs, "i64");
  const size = n.emit("shape", [x], { start: 0, end: null }, "i64");
  const depth = n.emit("gather", [size, n.i64Scalar(axis)], { axis: 0 }, "i64");
  const dtype = n.dtype(x);
  const values = n.emit("concat", [vector(n, 0, dtype), vector(n, 1, dtype)], { axis: 0 }, dtype);
  n.result("one-hot", [index, depth, values], { axis }, dtype);
}

function vector(n: Operation, value: number, dtype: DType): ValueId {
  return n.constant({ dtype, shape: [1], source: { kind: "fill", value } });
}

export function CumSum(n: Operation) {
  const attrs = { exclusive: n.flag("exclusive", false), reverse: n.flag("reverse", false) };
  n.result("cumsum", [n.input(0), n.indices(1)], attrs);
}

export function TopK(n: Operation) {
  const x = n.input(0);
  const k = n.opset < 10 ? n.i64([n.int("k")]) : n.input(1);
  const attrs = {
    axis: n.axis("axis", x, -1),
    largest: n.flag("largest", true),
    sorted: n.flag("sorted", true),
  };
  n.results("topk", [x, k], attrs, [typed(n.dtype(x)), typed("i64")]);
}
