import type { Graph } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { matchPointwise, PRODUCTS, pointwiseUsers, silu } from "./match/pointwise.js";

/**
 *     %y = binary[mul] %x, sigmoid(%x)   ⇒   %y = silu %x
 *
 * also as x / (1 + exp(−x)).
 */
export const recognizeSilu: Pass = {
  name: "recognize-silu",
  summary: "x·sigmoid(x) becomes silu",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      if (node.op !== "unary" || (node.attrs.fn !== "sigmoid" && node.attrs.fn !== "exp")) continue;
      for (const y of pointwiseUsers(rewriter, node, PRODUCTS)) {
        const match = matchPointwise(rewriter, y, node, [silu]);
        const shape = match === undefined ? undefined : rewriter.shape(match.x);
        if (match === undefined || shape === undefined) continue;
        rewriter.replace(y, rewriter.emit({ op: "silu", inputs: [match.x], attrs: {} }, shape));
        break;
      }
    }
    return rewriter.finish();
  },
};
