import type { ValueId } from "../../../ir/graph/graph.js";
import type { Operation } from "../operation.js";

/** x · sigmoid(alpha · x), as output 0 of the node. */
export function swish(n: Operation, x: ValueId, alpha: number) {
  if (alpha === 1) return n.result("silu", [x], {});
  const scaled = n.emit("binary", [x, n.scalar(alpha, n.dtype(x))], { fn: "mul" });
  n.result("binary", [x, n.emit("unary", [scaled], { fn: "sigmoid" })], { fn: "mul" });
}
