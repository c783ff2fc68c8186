import type { ScatterReduction } from "../../../ir/ops/gather.js";
import type { Operation } from "../operation.js";

// Reading and writing by index.

export function Gather(n: Operation) {
  const x = n.input(0);
  n.result("gather", [x, n.indices(1)], { axis: n.axis("axis", x, 0) });
}

export function GatherElements(n: Operation) {
  const x = n.input(0);
  n.result("gather-elements", [x, n.indices(1)], { axis: n.axis("axis", x, 0) });
}

export function GatherND(n: Operation) {
  n.result("gather-nd", [n.input(0), n.indices(1)], { batchDims: n.int("batch_dims", 0) });
}

const REDUCTIONS: readonly ScatterReduction[] = ["none", "add", "mul", "max", "min"];

export function ScatterElements(n: Operation) {
  const x = n.input(0);
  const updates = n.input(2);
  n.sameType(x, updates);
  const reduction = n.word("reduction", REDUCTIONS, "none");
  n.result("scatter-elements", [x, n.indices(1), updates], { axis: n.axis("axis", x, 0), reduction });
}

/** The name of ScatterElements before opset 11. */
export const Scatter = ScatterElements;

export function ScatterND(n: Operation) {
  const x = n.input(0);
  const updates = n.input(2);
  n.sameType(x, updates);
  n.result("scatter-nd", [x, n.indices(1), updates], { reduction: n.word("reduction", REDUCTIONS, "none") });
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
