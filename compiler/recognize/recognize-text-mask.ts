import type { Graph, ValueId } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";

/** What is added to the scores of hidden tokens is this at most: all that is left of them behind softmax is 0. */
const HIDDEN = -1e30;

/**
 *     %b = where (and (reshape %mask [1 1 1 T]), (reshape %mask [1 1 T 1])) 0 -inf   ⇒   %p = softmax %scores
 *     %p = softmax (%scores + %b)
 *
 * %mask being an input. Tokens that it hides are read by none that it shows: a picture is what it is without them. So they
 * are left out by whoever gives the text, and an input that says nothing else is none.
 */
export const recognizeTextMask: Pass = {
  name: "recognize-text-mask",
  summary: "attention without the mask of an input, whose hidden tokens are not to be given",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    const masks = new Set<ValueId>();
    for (const node of rewriter.original) {
      const sum = node.op === "softmax" ? rewriter.input(node, 0) : undefined;
      const addends = sum === undefined ? undefined : rewriter.binary(sum, "add");
      if (sum === undefined || addends === undefined) continue;
      for (const [scores, bias] of [addends, [addends[1], addends[0]] as const]) {
        const mask = maskOf(rewriter, graph, bias);
        if (mask === undefined) continue;
        masks.add(mask);
        rewriter.replace(sum, scores);
        break;
      }
    }
    if (masks.size === 0) return graph;
    const rewritten = rewriter.finish();
    const read = new Set(rewritten.nodes.flatMap((node) => node.inputs));
    return { ...rewritten, inputs: graph.inputs.filter((id) => !masks.has(id) || read.has(id)) };
  },
};

/** The input that hides tokens by a bias of scores. */
function maskOf(rewriter: Rewriter, graph: Graph, bias: ValueId): ValueId | undefined {
  const chosen = rewriter.producer(bias);
  if (chosen?.op !== "where") return undefined;
  const [shown = "", zero = "", hidden = ""] = [0, 1, 2].map((i) => rewriter.input(chosen, i));
  if (rewriter.scalar(zero) !== 0 || !((rewriter.scalar(hidden) ?? 0) <= HIDDEN)) return undefined;
  const both = rewriter.binary(shown, "and");
  if (both === undefined) return undefined;
  const axes = both.map((id) => rewriter.shape(id)?.slice(-2).indexOf(1));
  const [mask, other] = both.map((id) => {
    const node = rewriter.producer(id);
    return node?.op === "reshape" ? rewriter.input(node, 0) : undefined;
  });
  const crosses = axes[0] !== axes[1] && axes.every((axis) => axis !== undefined && axis >= 0);
  return crosses && mask !== undefined && mask === other && graph.inputs.includes(mask) ? mask : undefined;
}
