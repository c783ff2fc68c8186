import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { valuesReadBy } from "./subgraphs.js";

/** Who reads each value. */
export interface Uses {
  /** Nodes that read the value, in their subgraphs too; a node that reads it twice is listed twice. */
  readonly nodes: ReadonlyMap<ValueId, readonly Node[]>;
  readonly outputs: ReadonlySet<ValueId>;
}

/** The readers of every value of a graph. */
export function usesOf(graph: Graph): Uses {
  const nodes = new Map<ValueId, Node[]>();
  for (const node of graph.nodes) {
    for (const id of valuesReadBy(node)) {
      const list = nodes.get(id);
      if (list === undefined) nodes.set(id, [node]);
      else list.push(node);
    }
  }
  return { nodes, outputs: new Set(graph.outputs) };
}

/** Whether one node reads the value, once, and nothing else does: the condition for fusing its producer away. */
export function usedOnce(uses: Uses, id: ValueId): boolean {
  return uses.nodes.get(id)?.length === 1 && !uses.outputs.has(id);
}

/** The node that computes each value; inputs and constants have none. Passes ask this of one graph again and again. */
export function producersOf(graph: Graph): ReadonlyMap<ValueId, Node> {
  const known = PRODUCERS.get(graph);
  if (known !== undefined) return known;
  const producers = new Map<ValueId, Node>();
  for (const node of graph.nodes) for (const id of node.outputs) producers.set(id, node);
  PRODUCERS.set(graph, producers);
  return producers;
}

const PRODUCERS = new WeakMap<Graph, ReadonlyMap<ValueId, Node>>();
