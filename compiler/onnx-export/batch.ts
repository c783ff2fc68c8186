import { type Graph, type Node, shapeOf } from "../../ir/graph/graph.js";
import type { OpName } from "../../ir/ops/index.js";

/** Operations that do to every sample of a leading batch axis what they do to one. */
const PER_SAMPLE: ReadonlySet<OpName> = new Set<OpName>([
  "unary",
  "binary",
  "cast",
  "layer-norm",
  "rms-norm",
  "linear",
  "ternary-linear",
  "ternary-qkv",
  "silu",
  "gelu",
  "modulate",
  "gated-residual",
  "rope-table",
  "rope",
  "attention",
  "timestep-embedding",
  "adaln",
  "adaln-quantize",
  "quantize-rows",
  "qk-norm-rope",
]);

/**
 * Whether a graph that was recognized for one sample computes any number of them when its leading axes of size 1
 * grow: a recognized FLUX transformer does, since its ONNX spelling never writes the batch size down.
 */
export function isBatchFree(graph: Graph): boolean {
  return graph.nodes.every((node) => PER_SAMPLE.has(node.op) || isBesideBatch(graph, node));
}

/** Parts and joins along another axis than the batch: any but the first, or a first one that counts tokens. */
function isBesideBatch(graph: Graph, node: Node): boolean {
  if (node.op !== "part" && node.op !== "concat") return false;
  const [x] = node.inputs;
  if (typeof x !== "string") return false;
  const shape = shapeOf(graph, x);
  const axis = node.attrs.axis < 0 ? node.attrs.axis + shape.length : node.attrs.axis;
  return axis > 0 || shape[0] !== 1;
}
