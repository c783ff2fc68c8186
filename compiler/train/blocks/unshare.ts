import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { trainedOperands } from "../parameters.js";

/** A graph in which no two nodes read one parameter: blocks that began with the same numbers learn their own. */
export function unshare(graph: Graph): Graph {
  const taken = new Set<ValueId>();
  const constants = new Map(graph.constants);
  const types = new Map(graph.types);
  const own = (id: ValueId): ValueId => {
    const constant = constants.get(id);
    const type = types.get(id);
    if (constant === undefined || type === undefined) return id;
    let name = id;
    for (let i = 2; taken.has(name) || (name !== id && types.has(name)); i++) name = `${id}@${i}`;
    taken.add(name);
    constants.set(name, constant);
    types.set(name, type);
    return name;
  };
  const nodes = graph.nodes.map((node) => {
    const places = new Set(trainedOperands(node).map(([index]) => index));
    const inputs = node.inputs.map((id, i) => (typeof id === "string" && places.has(i) ? own(id) : id));
    return { ...node, inputs };
  });
  return { ...graph, nodes, constants, types };
}
