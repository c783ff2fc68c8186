import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, NodeOf } from "../../ir/graph/graph.js";
import { isBlockRole } from "../models/index.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %y = linear(%x, %w, %b) {role: "double.0.img.q"}
 * becomes
 *   const %w.codes = ternary-codes(%w, exact)   const %w.scales = ternary-scales(%w, exact)
 *   %y = ternary-linear(%x, %w.codes, %w.scales, %b) {role: "double.0.img.q", quantized: false}
 *
 * for every linear of the double and single blocks, modulation included: W ≈ diag(s)·T.
 */
export const ternarize: Pass = {
  name: "ternarize",
  summary: "replaces the weights of the block linears by ternary codes and one scale per output row",
  run(graph, { options: { ternarize: method } }) {
    if (method === "none") return graph;
    const edit = new GraphEditor(graph);
    for (const node of graph.nodes) {
      const weight = node.op === "linear" ? blockWeight(graph, node) : undefined;
      if (node.op !== "linear" || weight === undefined) continue;
      const [x = null, w, bias = null, ...epilogue] = node.inputs;
      const rows = weight.shape[0] ?? 0;
      const codes = edit.namedConstant(`${w}.codes`, {
        dtype: "i8",
        shape: weight.shape,
        source: { kind: "ternary-codes", of: weight, method },
      });
      const scales = edit.namedConstant(`${w}.scales`, {
        dtype: "f32",
        shape: [rows],
        source: { kind: "ternary-scales", of: weight, method },
      });
      edit.put({
        ...node,
        op: "ternary-linear",
        inputs: [x, codes, scales, bias, ...epilogue],
        attrs: { ...node.attrs, quantized: false },
      });
    }
    return edit.finish();
  },
};

function blockWeight(graph: Graph, node: NodeOf<"linear">): Constant | undefined {
  const weight = node.inputs[1];
  return isBlockRole(node.attrs.role) && typeof weight === "string" ? graph.constants.get(weight) : undefined;
}
