import type { Graph, Node } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";
import { swigluOf } from "../analysis/swiglu.js";

/** Whether a FLUX transformer has operations of this kind once it is recognized. */
export function isKnown(graph: Graph, node: Node): boolean {
  return definitionOf(node.op).traits.recognized(node.attrs) || swigluOf(graph, node) !== undefined;
}

/** `binary.add`, `matmul`: an operation's name for people. */
export function describeOp(node: Node): string {
  return node.op === "binary" || node.op === "unary" || node.op === "reduce"
    ? `${node.op}.${node.attrs.fn}`
    : node.op;
}
