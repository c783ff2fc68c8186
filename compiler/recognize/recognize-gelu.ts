import type { Graph, Node } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { geluErf, geluTanh, matchPointwise, PRODUCTS, pointwiseUsers } from "./match/pointwise.js";

/**
 *     0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))   ⇒   gelu[tanh] x
 *     0.5·x·(1 + erf(x/√2))                        ⇒   gelu[none] x
 *
 * in any order of factors, with x³ as a power or as products.
 */
export const recognizeGelu: Pass = {
  name: "recognize-gelu",
  summary: "tanh and erf chains that compute GELU become gelu",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      if (node.op !== "unary") continue;
      const { fn } = node.attrs;
      // The tanh form may also be written with a sigmoid: 1 + tanh(u) = 2·sigmoid(2u).
      if (fn !== "tanh" && fn !== "erf" && fn !== "sigmoid") continue;
      if (fn === "sigmoid" && isSilu(rewriter, node)) continue;
      const approximate = fn === "erf" ? "none" : "tanh";
      for (const y of pointwiseUsers(rewriter, node, fn === "sigmoid" ? PRODUCTS : undefined)) {
        const match = matchPointwise(rewriter, y, node, [fn === "erf" ? geluErf : geluTanh]);
        const shape = match === undefined ? undefined : rewriter.shape(match.x);
        if (match === undefined || shape === undefined) continue;
        rewriter.replace(y, rewriter.emit({ op: "gelu", inputs: [match.x], attrs: { approximate } }, shape));
        break;
      }
    }
    return rewriter.finish();
  },
};

/** v·sigmoid(v), as no GELU has it: what `recognize-silu` is for. */
function isSilu(rewriter: Rewriter, sigmoid: Node): boolean {
  const [argument] = sigmoid.inputs;
  return rewriter
    .consumers(sigmoid.outputs[0] ?? "")
    .slice(0, 4)
    .some((user) => user.op === "binary" && user.inputs.includes(argument ?? null));
}
