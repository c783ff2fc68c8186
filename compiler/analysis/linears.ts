import type { Node, NodeOf } from "../../ir/graph/graph.js";

/** Linear layers with a role and an epilogue, of float and of ternary weights. */
export type Linear = NodeOf<"linear"> | NodeOf<"ternary-linear">;

export function isLinear(node: Node | undefined): node is Linear {
  return node?.op === "linear" || node?.op === "ternary-linear";
}
