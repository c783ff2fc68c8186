import type { Node } from "../../ir/graph/graph.js";
import { MODEL_OPS, type OpName } from "../../ir/ops/index.js";

/** Generic operations that belong to a recognized transformer. */
const KEPT: ReadonlySet<OpName> = new Set<OpName>(["layer-norm", "rms-norm", "concat", "reshape"]);

/** Whether a FLUX transformer has operations of this kind once it is recognized. Sums of embeddings stay sums. */
export function isKnown(node: Node): boolean {
  if (node.op === "binary") return node.attrs.fn === "add";
  return MODEL_OPS.has(node.op) || KEPT.has(node.op);
}

/** `binary.add`, `matmul`: an operation's name for people. */
export function describeOp(node: Node): string {
  return node.op === "binary" || node.op === "unary" || node.op === "reduce"
    ? `${node.op}.${node.attrs.fn}`
    : node.op;
}
