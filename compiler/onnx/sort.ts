import { invalid } from "./errors.js";
import { describeNode, type OnnxGraph, type OnnxNode } from "./model.js";

/**
 * Nodes in topological order; nodes that are in order already keep it. Refuses names that nothing
 * produces, names that two nodes produce, and cycles.
 * @param available whether a name is a value before the first node: an input, an initializer, an outer value
 */
export function sortNodes(
  nodes: readonly OnnxNode[],
  available: (name: string) => boolean,
): readonly OnnxNode[] {
  const producer = new Map<string, OnnxNode>();
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === "") continue;
      const other = producer.get(name);
      if (other !== undefined) {
        throw invalid(describeNode(node), `the value "${name}" is produced twice`, {
          found: describeNode(other),
        });
      }
      producer.set(name, node);
    }
  }
  const needs = new Map<OnnxNode, readonly OnnxNode[]>();
  for (const node of nodes) {
    const before = new Set<OnnxNode>();
    for (const name of operandsOf(node)) {
      const from = producer.get(name);
      if (from !== undefined) before.add(from);
      else if (!available(name)) {
        throw invalid(describeNode(node), `the operand "${name}" is not a value of the graph`, {
          expected: "the name of an input, an initializer or a node's output",
        });
      }
    }
    needs.set(node, [...before]);
  }
  return order(nodes, needs);
}

/** Depth-first order with an explicit stack: a chain of nodes may be longer than the call stack. */
function order(
  nodes: readonly OnnxNode[],
  needs: ReadonlyMap<OnnxNode, readonly OnnxNode[]>,
): readonly OnnxNode[] {
  const sorted: OnnxNode[] = [];
  const state = new Map<OnnxNode, "open" | "done">();
  for (const root of nodes) {
    const stack = [root];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      if (state.get(node) === "done") {
        stack.pop();
        continue;
      }
      const missing = (needs.get(node) ?? []).filter((n) => state.get(n) !== "done");
      if (missing.length === 0) {
        state.set(node, "done");
        sorted.push(node);
        stack.pop();
        continue;
      }
      state.set(node, "open");
      const cycle = missing.find((n) => state.get(n) === "open");
      if (cycle !== undefined) {
        throw invalid(describeNode(node), "the graph has a cycle", {
          found: `through ${describeNode(cycle)}`,
        });
      }
      for (const before of missing.reverse()) stack.push(before);
    }
  }
  return sorted;
}

/** Names a node reads, those its subgraphs take from outside included. */
function operandsOf(node: OnnxNode): readonly string[] {
  const names = node.inputs.filter((name) => name !== "");
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === "graph") for (const name of freeNames(attribute.value)) names.push(name);
  }
  return names;
}

/** Names a graph uses and does not define. */
function freeNames(graph: OnnxGraph): readonly string[] {
  const own = new Set<string>();
  for (const { name } of graph.inputs) own.add(name);
  for (const { name } of graph.initializers) own.add(name);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const used = [...graph.nodes.flatMap(operandsOf), ...graph.outputs.map((o) => o.name)];
  return used.filter((name) => !own.has(name));
}
