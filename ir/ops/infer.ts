import type { Node, NodeOf, ValueType } from "../graph/graph.js";
import { CONTROL } from "./control.js";
import { ELEMENTWISE } from "./elementwise.js";
import { IMAGES } from "./images.js";
import type { OpName } from "./index.js";
import { LINEAR } from "./linalg.js";
import { MODEL } from "./linears.js";
import { type InferSource, Operands } from "./operands.js";
import { REDUCTIONS } from "./reductions.js";
import type { InferRules } from "./rules.js";
import { SHAPES } from "./shapes.js";

export { compareDims, type InferSource, leastDim, Operands } from "./operands.js";

const RULES: InferRules<OpName> = {
  ...ELEMENTWISE,
  ...SHAPES,
  ...REDUCTIONS,
  ...LINEAR,
  ...IMAGES,
  ...CONTROL,
  ...MODEL,
};

/**
 * Types of a node's results from those of its operands. A shape is null where it depends on data.
 *
 * @throws TritcError TRITC_E_SHAPE naming the node, what was expected and what was found.
 */
export function inferNode(node: Node, source: InferSource): readonly ValueType[] {
  return infer(node, source);
}

function infer<K extends OpName>(node: NodeOf<K>, source: InferSource): readonly ValueType[] {
  const rule: InferRules<OpName>[K] = RULES[node.op];
  const operands = new Operands(node as Node, source);
  const types = rule(operands, node.attrs);
  for (const { shape } of types) {
    const bad = shape?.find((d) => typeof d === "number" && !(d >= 0 && Number.isSafeInteger(d)));
    if (bad !== undefined) operands.fail("dimensions of 0 or more", `[${shape?.join(", ")}]`);
  }
  return types;
}
