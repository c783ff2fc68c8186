import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import type { Activation } from "../../ir/ops/linears.js";
import { isLinear, type Linear } from "../analysis/linears.js";
import { producersOf, usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %a = linear(%x, %w, %b)         %y = gelu(%a) {tanh}
 * becomes
 *   %y = linear(%x, %w, %b) {activation: "gelu-tanh"}
 * and
 *   %a = linear(%x, %w, %b)         %y = gated-residual(%r, %g, %a)
 * becomes
 *   %y = linear(%x, %w, %b, %g, %r) {gated: true}
 *
 * where nothing else reads %a.
 */
export const fuseEpilogues: Pass = {
  name: "fuse-epilogues",
  summary: "moves activations and gated residuals into the linear that feeds them",
  run(graph) {
    const edit = new GraphEditor(graph);
    for (const [node, linear] of findFusions(graph)) edit.put(withEpilogue(linear, node));
    return edit.finish();
  },
};

/** Epilogue node → the linear it joins. */
function findFusions(graph: Graph): ReadonlyMap<Node, Linear> {
  const uses = usesOf(graph);
  const producers = producersOf(graph);
  const fused = new Map<Node, Linear>();
  for (const node of graph.nodes) {
    const source = epilogueSource(node);
    if (source === undefined || !usedOnce(uses, source)) continue;
    const linear = producers.get(source);
    if (!isLinear(linear)) continue;
    if (linear.attrs.activation === "none" && !linear.attrs.gated) fused.set(node, linear);
  }
  return fused;
}

/** The operand that a linear may compute for this node to finish. */
function epilogueSource(node: Node): ValueId | undefined {
  if (node.op === "gelu" || node.op === "silu") return node.inputs[0] ?? undefined;
  return node.op === "gated-residual" ? (node.inputs[2] ?? undefined) : undefined;
}

function withEpilogue(linear: Linear, node: Node): Node {
  const activation: Activation =
    node.op === "silu"
      ? "silu"
      : node.op === "gelu"
        ? node.attrs.approximate === "tanh"
          ? "gelu-tanh"
          : "gelu-erf"
        : "none";
  const gated = node.op === "gated-residual";
  const [residual = null, gate = null] = node.inputs;
  const epilogue = gated ? [gate, residual] : [];
  if (linear.op === "linear") {
    const [x = null, weight = null, bias = null] = linear.inputs;
    return {
      ...linear,
      inputs: [x, weight, bias, ...epilogue],
      outputs: node.outputs,
      attrs: { ...linear.attrs, activation, gated },
    };
  }
  const [x = null, codes = null, scales = null, bias = null] = linear.inputs;
  return {
    ...linear,
    inputs: [x, codes, scales, bias, ...epilogue],
    outputs: node.outputs,
    attrs: { ...linear.attrs, activation, gated },
  };
}
