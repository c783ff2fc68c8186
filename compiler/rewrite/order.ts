import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { valuesReadBy } from "../analysis/subgraphs.js";

/** Nodes in topological order that stays as close to the given order as dependencies allow. */
export function dependenciesFirst(
  nodes: readonly Node[],
  producer: (id: ValueId) => Node | undefined,
): readonly Node[] {
  const done = new Set<Node>();
  const sorted: Node[] = [];
  for (const root of nodes) {
    // Depth first without recursion: graphs may be deep.
    const stack: Node[] = [root];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const waiting: Node[] = [];
      if (!done.has(node)) {
        for (const id of valuesReadBy(node)) {
          const source = producer(id);
          if (source !== undefined && !done.has(source)) waiting.push(source);
        }
      }
      if (waiting.length > 0) {
        for (const source of waiting.reverse()) stack.push(source);
        continue;
      }
      stack.pop();
      if (done.has(node)) continue;
      done.add(node);
      sorted.push(node);
    }
  }
  return sorted;
}

/** The graph without the nodes, constants and types that no output needs. */
export function pruneGraph(graph: Graph): Graph {
  const live = new Set<ValueId>(graph.outputs);
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((id) => live.has(id))) continue;
    for (const id of valuesReadBy(node)) live.add(id);
    nodes.push(node);
  }
  nodes.reverse();
  const constants = only(graph.constants, live);
  for (const id of graph.inputs) live.add(id);
  for (const node of nodes) for (const id of node.outputs) live.add(id);
  return { ...graph, nodes, types: only(graph.types, live), constants };
}

function only<V>(entries: ReadonlyMap<ValueId, V>, ids: ReadonlySet<ValueId>): Map<ValueId, V> {
  const found = new Map<ValueId, V>();
  for (const [id, value] of entries) if (ids.has(id)) found.set(id, value);
  return found;
}
