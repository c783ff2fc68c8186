import type { Bindings } from "../../ir/dim.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { largestBytes } from "./sizes.js";

/**
 * The pictures [1, H, W, C] that are larger than `most` bytes at these sizes, while half of their channels are not, and that
 * only operations make and read which can do so half by half: convolutions, linears of single pixels and norms of groups.
 */
export function largePictures(graph: Graph, most: number, sizes: Bindings): ReadonlySet<ValueId> {
  const large = new Set<ValueId>();
  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    const shape = graph.types.get(output)?.shape;
    const channels = shape?.at(-1);
    if (shape?.length !== 4 || typeof channels !== "number" || channels % 2 !== 0) continue;
    const bytes = largestBytes(dtypeOf(graph, output), shape, sizes);
    if (bytes > most && bytes / 2 <= most && isDivisible(graph, node)) large.add(output);
  }
  for (const id of graph.outputs) large.delete(id);
  // What one node cannot take in halves, those before and behind it cannot either.
  for (let before = -1; before !== large.size; ) {
    before = large.size;
    for (const node of graph.nodes) for (const id of misfits(graph, node, large)) large.delete(id);
  }
  return large;
}

/** Whether a node goes over its operands and results half by half. */
function isDivisible(graph: Graph, node: Node): boolean {
  const isConstant = (i: number) => node.inputs[i] == null || graph.constants.has(node.inputs[i]);
  switch (node.op) {
    case "image-conv":
      return isConstant(1) && isConstant(2);
    case "linear": {
      const { activation, gated } = node.attrs;
      const isPlain = activation === "none" && !gated;
      return isPlain && isConstant(1) && isConstant(2) && shapeOf(graph, node.inputs[0] ?? "").length === 4;
    }
    case "group-norm-rows":
      return isConstant(1) && isConstant(2) && node.attrs.groups % 2 === 0;
    default:
      return false;
  }
}

/** Operands and results of a node that it cannot take in halves while others are whole. */
function misfits(graph: Graph, node: Node, large: ReadonlySet<ValueId>): readonly ValueId[] {
  const ids = [...node.inputs, ...node.outputs].filter((id) => id !== null && large.has(id)) as ValueId[];
  if (ids.length === 0 || !isDivisible(graph, node)) return ids;
  const [output = ""] = node.outputs;
  // They have the shape of the result.
  const alike =
    node.op === "group-norm-rows" ? node.inputs[0] : node.op === "image-conv" ? node.inputs[3] : null;
  return alike == null || large.has(alike) === large.has(output) ? [] : [alike, output];
}
