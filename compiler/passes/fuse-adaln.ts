import { type Graph, type Node, type NodeOf, shapeOf } from "../../ir/graph/graph.js";
import { producersOf, usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %n = layer-norm(%x, _, _)       %y = modulate(%n, %shift, %scale)
 * becomes
 *   %y = adaln(%x, %shift, %scale)
 *
 * y = (x − mean)·rsqrt(variance + ε)·(1 + scale) + shift
 */
export const fuseAdaln: Pass = {
  name: "fuse-adaln",
  summary: "makes layer norm without weights and the modulation after it one op",
  run(graph) {
    const uses = usesOf(graph);
    const producers = producersOf(graph);
    const edit = new GraphEditor(graph);
    for (const node of graph.nodes) {
      const source = node.op === "modulate" ? node.inputs[0] : undefined;
      const norm = typeof source === "string" && usedOnce(uses, source) ? producers.get(source) : undefined;
      if (node.op === "modulate" && norm?.op === "layer-norm" && isPlainLastAxis(graph, norm)) {
        const [, shift = null, scale = null] = node.inputs;
        edit.put(adaln(norm, node, [norm.inputs[0] ?? null, shift, scale]));
      }
    }
    return edit.finish();
  },
};

function adaln(
  norm: NodeOf<"layer-norm">,
  modulate: NodeOf<"modulate">,
  inputs: NodeOf<"adaln">["inputs"],
): Node {
  return { op: "adaln", inputs, outputs: modulate.outputs, attrs: { epsilon: norm.attrs.epsilon } };
}

function isPlainLastAxis(graph: Graph, norm: NodeOf<"layer-norm">): boolean {
  const [x, scale = null, bias = null] = norm.inputs;
  if (typeof x !== "string" || scale !== null || bias !== null) return false;
  const { axis } = norm.attrs;
  return axis === -1 || axis === shapeOf(graph, x).length - 1;
}
