import type { Node, ValueType } from "../graph/graph.js";
import { definitionOf } from "./index.js";
import { type InferSource, Operands } from "./operands.js";

/**
 * Types of a node's results from those of its operands. A shape is null where it depends on data.
 *
 * @throws TritcError TRITC_E_SHAPE naming the node, what was expected and what was found.
 */
export function inferNode(node: Node, source: InferSource): readonly ValueType[] {
  const operands = new Operands(node, source);
  const types = definitionOf(node.op).infer(operands, node.attrs);
  for (const { shape } of types) {
    const bad = shape?.find((d) => typeof d === "number" && !(d >= 0 && Number.isSafeInteger(d)));
    if (bad !== undefined) operands.fail("dimensions of 0 or more", `[${shape?.join(", ")}]`);
  }
  return types;
}
