import type { Bindings } from "../../ir/dim.js";
import { dtypeOf, type Graph, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { Target } from "../../targets/target.js";
import { largestBytes } from "../analysis/sizes.js";
import type { Placement } from "../analysis/step-invariant.js";
import { usesOf } from "../analysis/uses.js";

/** Arguments of `quantize-rows` besides the parts of its rows. */
const RESULTS = 3;

/**
 * Concats that get no memory, with their operands: each would be larger than a buffer, joins channels, and only
 * `quantize-rows` reads it, whose kernel can take a row from several matrices.
 *
 *   %c: f32[1, T, A+B] = concat(%a, %b) {axis: 2}   %q, %s, %t = quantize-rows(%c)
 */
export function scatteredRows(
  graph: Graph,
  placements: ReadonlyMap<ValueId, Placement>,
  { target, sizes }: { readonly target: Target; readonly sizes: Bindings },
): ReadonlyMap<ValueId, readonly ValueId[]> {
  const uses = usesOf(graph);
  const scattered = new Map<ValueId, readonly ValueId[]>();
  for (const node of graph.nodes) {
    if (node.op !== "concat") continue;
    const [output = ""] = node.outputs;
    const readers = uses.nodes.get(output) ?? [];
    const operands = operandsOf(graph, node, target);
    if (operands === undefined || uses.outputs.has(output)) continue;
    if (placements.get(output)?.perStep === true || !readers.every((r) => r.op === "quantize-rows")) continue;
    const tooLarge = largestBytes("f32", shapeOf(graph, output), sizes) > target.limits.maxBufferBytes;
    if (tooLarge) scattered.set(output, operands);
  }
  return scattered;
}

/** The operands if a kernel can read their rows one after the other. */
function operandsOf(
  graph: Graph,
  { inputs, attrs }: NodeOf<"concat">,
  target: Target,
): readonly ValueId[] | undefined {
  const ids = inputs.filter((id) => id !== null);
  if (ids.length < inputs.length || ids.length + RESULTS > target.limits.maxStorageBuffers) return undefined;
  const good = ids.every((id) => {
    const shape = shapeOf(graph, id);
    const last = attrs.axis === shape.length - 1 || attrs.axis === -1;
    return last && typeof shape.at(-1) === "number" && dtypeOf(graph, id) === "f32";
  });
  return good ? ids : undefined;
}
