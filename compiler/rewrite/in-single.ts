import { type DType, isFloat } from "../../ir/dtype.js";
import type { Graph, Node } from "../../ir/graph/graph.js";

/** The graph with every float in f32: weights are cast as they are read. */
export function inSingle(graph: Graph): Graph {
  const single = (dtype: DType): DType => (isFloat(dtype) ? "f32" : dtype);
  const types = [...graph.types].map(([id, type]) => [id, { ...type, dtype: single(type.dtype) }] as const);
  const constants = [...graph.constants].map(([id, constant]) => {
    if (single(constant.dtype) === constant.dtype) return [id, constant] as const;
    const { shape } = constant;
    return [id, { dtype: "f32", shape, source: { kind: "cast", of: constant } }] as const;
  });
  const nodes = graph.nodes.map((node): Node => {
    return node.op === "cast" ? { ...node, attrs: { to: single(node.attrs.to) } } : node;
  });
  return { ...graph, types: new Map(types), constants: new Map(constants), nodes };
}
