import { type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { Target } from "../../targets/target.js";
import type { Placement } from "../analysis/step-invariant.js";
import { usesOf } from "../analysis/uses.js";

/** The operand whose element a node reads last where it writes the element of its result, and before it. */
const OPERAND: Readonly<Partial<Record<Node["op"], number>>> = { "group-norm-rows": 0, "image-conv": 3 };
/** What reads operands where they lie, and gives no other names to them. */
const READERS = new Set<Node["op"]>(["group-norm-rows", "image-conv", "linear"]);

/**
 * The results that are written over an operand which nothing reads any more, and that operand: pictures of a VAE are the largest
 * of its values, and a norm or a sum of two needs no other one. Only on targets whose kernels may have one buffer for both.
 */
export function overwritten(
  graph: Graph,
  placements: ReadonlyMap<ValueId, Placement>,
  { overwrites }: Pick<Target, "overwrites">,
): ReadonlyMap<ValueId, ValueId> {
  const over = new Map<ValueId, ValueId>();
  if (!overwrites) return over;
  const { nodes, outputs } = usesOf(graph);
  const made = new Set(graph.nodes.flatMap((node) => (READERS.has(node.op) ? node.outputs : [])));
  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    const operand = node.inputs[OPERAND[node.op] ?? -1];
    if (typeof operand !== "string" || !made.has(operand) || outputs.has(operand) || outputs.has(output))
      continue;
    const readers = nodes.get(operand) ?? [];
    const isLast = readers.at(-1) === node && readers.filter((reader) => reader === node).length === 1;
    const isAlike =
      String(shapeOf(graph, operand)) === String(shapeOf(graph, output)) &&
      placements.get(operand)?.phase === placements.get(output)?.phase;
    if (isLast && isAlike && readers.every(({ op }) => READERS.has(op))) over.set(output, operand);
  }
  return over;
}
