import { sameShape } from "../../ir/dim.js";
import { type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { producersOf } from "./uses.js";

/** The operands of silu(gate)·value, and the activated gate between. */
export interface Swiglu {
  readonly gate: ValueId;
  readonly activated: ValueId;
  readonly value: ValueId;
}

/** What a product is made of where it is a SwiGLU: elements of one value, each by the SiLU of its partner. */
export function swigluOf(graph: Graph, node: Node): Swiglu | undefined {
  if (node.op !== "binary" || node.attrs.fn !== "mul") return undefined;
  const [a, b] = node.inputs;
  for (const [activated, value] of [
    [a, b],
    [b, a],
  ] as const) {
    if (activated == null || value == null || graph.constants.has(value)) continue;
    const silu = producersOf(graph).get(activated);
    const gate = silu?.op === "silu" ? silu.inputs[0] : undefined;
    if (gate != null && sameShape(shapeOf(graph, gate), shapeOf(graph, value)))
      return { gate, activated, value };
  }
  return undefined;
}
