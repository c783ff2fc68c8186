import type { Constant, ConstantSource } from "../../ir/constant/constant.js";
import { type Dim, substituteDim } from "../../ir/dim.js";
import type { Graph, Node } from "../../ir/graph/graph.js";

/** The graph with symbols replaced in all types, attributes and folded shapes. */
export function renameSymbols(graph: Graph, replacements: Readonly<Record<string, Dim>>): Graph {
  if (Object.keys(replacements).length === 0) return graph;
  const rename = (dim: Dim): Dim => substituteDim(dim, replacements);
  const types = new Map(
    [...graph.types].map(([id, type]) => [
      id,
      type.shape === null ? type : { ...type, shape: type.shape.map(rename) },
    ]),
  );
  const constants = new Map([...graph.constants].map(([id, c]) => [id, renameConstant(c, rename)]));
  return { ...graph, types, constants, nodes: graph.nodes.map((node) => renameNode(node, rename)) };
}

function renameConstant(constant: Constant, rename: (dim: Dim) => Dim): Constant {
  const source = renameSource(constant.source, rename);
  return source === constant.source ? constant : { ...constant, source };
}

/** Only folded shapes hold symbols; they may lie below reshapes, casts and joins. */
function renameSource(source: ConstantSource, rename: (dim: Dim) => Dim): ConstantSource {
  switch (source.kind) {
    case "dims":
      return { kind: "dims", dims: source.dims.map(rename) };
    case "reshape":
    case "cast":
      return { kind: source.kind, of: renameConstant(source.of, rename) };
    case "rows":
      return { ...source, of: renameConstant(source.of, rename) };
    case "concat":
      return { kind: "concat", of: source.of.map((c) => renameConstant(c, rename)) };
    default:
      return source;
  }
}

function renameNode(node: Node, rename: (dim: Dim) => Dim): Node {
  if (node.op !== "part") return node;
  const { axis, start, length } = node.attrs;
  return { ...node, attrs: { axis, start: rename(start), length: rename(length) } };
}
