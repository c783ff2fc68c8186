import type { Node, NodeOf } from "../../../ir/graph/graph.js";
import type { OpName } from "../../../ir/ops/index.js";
import type { Lowering } from "../lowering.js";
import { pointwise } from "./elementwise.js";
import { contractions } from "./linalg.js";
import { linears } from "./linears.js";
import { rowOps } from "./rows.js";
import { layoutOps } from "./shapes.js";

type Rules = { readonly [K in OpName]?: (lowering: Lowering, node: NodeOf<K>) => void };

const RULES: Rules = { ...pointwise, ...linears, ...rowOps, ...layoutOps, ...contractions };

/** How a node becomes launches, or undefined where no kernel family computes it. */
export function ruleFor(node: Node): ((lowering: Lowering) => void) | undefined {
  const rule = RULES[node.op] as ((lowering: Lowering, node: Node) => void) | undefined;
  return rule === undefined ? undefined : (lowering) => rule(lowering, node);
}
