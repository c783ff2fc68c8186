import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, NodeOf, ValueId } from "../../ir/graph/graph.js";
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
    return withTernaryWeights(graph, ({ weight }) => ({
      codes: { dtype: "i8", shape: weight.shape, source: { kind: "ternary-codes", of: weight, method } },
      scales: {
        dtype: "f32",
        shape: [weight.shape[0] ?? 0],
        source: { kind: "ternary-scales", of: weight, method },
      },
    }));
  },
};

/** A linear of the blocks as a model has it. */
export interface BlockLinear {
  readonly role: string;
  readonly weightId: ValueId;
  /** [out, in] */
  readonly weight: Constant;
  /** [out] */
  readonly bias: Constant | null;
}

export interface TernaryParameters {
  readonly codes: Constant;
  readonly scales: Constant;
  /** The model's own if absent. */
  readonly bias?: Constant;
}

/** Every linear of the blocks on other parameters. */
export function withTernaryWeights(
  graph: Graph,
  parametersOf: (linear: BlockLinear) => TernaryParameters,
): Graph {
  const edit = new GraphEditor(graph);
  for (const node of graph.nodes) {
    const linear = node.op === "linear" ? blockLinear(graph, node) : undefined;
    if (node.op !== "linear" || linear === undefined) continue;
    const [x = null, w, bias = null, ...epilogue] = node.inputs;
    const found = parametersOf(linear);
    const codes = edit.namedConstant(`${w}.codes`, found.codes);
    const scales = edit.namedConstant(`${w}.scales`, found.scales);
    const own = found.bias === undefined ? bias : edit.namedConstant(`${w}.bias`, found.bias);
    edit.put({
      ...node,
      op: "ternary-linear",
      inputs: [x, codes, scales, own, ...epilogue],
      attrs: { ...node.attrs, quantized: false },
    });
  }
  return edit.finish();
}

function blockLinear(graph: Graph, node: NodeOf<"linear">): BlockLinear | undefined {
  const { role } = node.attrs;
  const [, weightId, biasId] = node.inputs;
  if (role === null || !isBlockRole(role) || typeof weightId !== "string") return undefined;
  const weight = graph.constants.get(weightId);
  if (weight === undefined) return undefined;
  return { role, weightId, weight, bias: graph.constants.get(biasId ?? "") ?? null };
}
