import type { Graph } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";

/**
 * Whether a graph that was recognized for one sample computes any number of them when its leading axes of size 1
 * grow: a recognized FLUX transformer does, since its ONNX spelling never writes the batch size down.
 */
export function isBatchFree(graph: Graph): boolean {
  return graph.nodes.every(({ op, inputs: [x], attrs }) => {
    const shape = typeof x === "string" ? graph.types.get(x)?.shape : undefined;
    return shape != null && definitionOf(op).traits.perSample(attrs, shape);
  });
}
