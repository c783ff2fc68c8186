import type { ValueId } from "../../../ir/graph/graph.js";
import type { ScatterReduction } from "../../../ir/ops/index.js";
import { typed } from "../builder.js";
import type { Operation } from "../operation.js";

// Reading and writing by index.

function indices(n: Operation, index: number): ValueId {
  const id = n.input(index);
  n.requireType(id, ["i64", "i32"]);
  return id;
}

export function Gather(n: Operation) {
  const x = n.input(0);
  n.result("gather", [x, indices(n, 1)], { axis: n.axis("axis", x, 0) });
}

export function GatherElements(n: Operation) {
  const x = n.input(0);
  n.result("gather-elements", [x, indices(n, 1)], { axis: n.axis("axis", x, 0) });
}

export function GatherND(n: Operation) {
  n.result("gather-nd", [n.input(0), indices(n, 1)], { batchDims: n.int("batch_dims", 0) });
}

const REDUCTIONS: readonly ScatterReduction[] = ["none", "add", "mul", "max", "min"];

export function ScatterElements(n: Operation) {
  const x = n.input(0);
  const updates = n.input(2);
  n.sameType(x, updates);
  const reduction = n.word("reduction", REDUCTIONS, "none");
  n.result("scatter-elements", [x, indices(n, 1), updates], { axis: n.axis("axis", x, 0), reduction });
}

/** The name of ScatterElements before opset 11. */
export const Scatter = ScatterElements;

export function ScatterND(n: Operation) {
  const x = n.input(0);
  const updates = n.input(2);
  n.sameType(x, updates);
  n.result("scatter-nd", [x, indices(n, 1), updates], { reduction: n.word("reduction", REDUCTIONS, "none") });
}

export function NonZero(n: Operation) {
  n.result("nonzero", [n.input(0)], {}, "i64");
}

export function Compress(n: Operation) {
  const x = n.input(0);
  const condition = n.input(1);
  n.requireType(condition, ["bool"]);
  n.result("compress", [x, condition], { axis: n.has("axis") ? n.axis("axis", x) : null });
}

export function OneHot(n: Operation) {
  const values = n.input(2);
  n.result("one-hot", [n.input(0), n.input(1), values], { axis: n.int("axis", -1) }, n.dtype(values));
}

export function CumSum(n: Operation) {
  const attrs = { exclusive: n.flag("exclusive", false), reverse: n.flag("reverse", false) };
  n.result("cumsum", [n.input(0), indices(n, 1)], attrs);
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
