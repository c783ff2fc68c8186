import { type Graph, type Node, subgraphsOf, type ValueId } from "../../ir/graph/graph.js";

/** Values a node reads, those that its subgraphs take from outside included. */
export function valuesReadBy(node: Node): readonly ValueId[] {
  const operands = node.inputs.filter((id) => id !== null);
  const bodies = subgraphsOf(node);
  return bodies.length === 0 ? operands : [...operands, ...bodies.flatMap(freeValues)];
}

/** Values that a subgraph reads without defining them. */
function freeValues(graph: Graph): readonly ValueId[] {
  const own = new Set<ValueId>([...graph.inputs, ...graph.constants.keys()]);
  const free = new Set<ValueId>();
  const read = (id: ValueId) => {
    if (!own.has(id)) free.add(id);
  };
  for (const node of graph.nodes) {
    for (const id of valuesReadBy(node)) read(id);
    for (const id of node.outputs) own.add(id);
  }
  for (const id of graph.outputs) read(id);
  return [...free];
}

/** The node reading other values, also inside its subgraphs. `outputs` stay. */
export function renameValues(node: Node, name: (id: ValueId) => ValueId): Node {
  const inputs = node.inputs.map((id) => (id === null ? null : name(id)));
  switch (node.op) {
    case "if": {
      const { thenBranch, elseBranch } = node.attrs;
      const attrs = { thenBranch: renameFree(thenBranch, name), elseBranch: renameFree(elseBranch, name) };
      return { ...node, inputs, attrs };
    }
    case "loop":
      return { ...node, inputs, attrs: { body: renameFree(node.attrs.body, name) } };
    case "scan":
      return { ...node, inputs, attrs: { ...node.attrs, body: renameFree(node.attrs.body, name) } };
    default:
      return { ...node, inputs };
  }
}

function renameFree(graph: Graph, name: (id: ValueId) => ValueId): Graph {
  const free = new Set(freeValues(graph));
  const inner = (id: ValueId) => (free.has(id) ? name(id) : id);
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renameValues(node, inner)),
    outputs: graph.outputs.map(inner),
  };
}

/** The node with other names for the values it reads and for its results. */
export function renameAll(node: Node, name: (id: ValueId) => ValueId): Node {
  return { ...renameValues(node, name), outputs: node.outputs.map(name) };
}
