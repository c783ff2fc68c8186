import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { cleanEpsilon, matchNormAndRow, matchNormalized } from "./match/normalized.js";
import { isRow } from "./match/rows.js";

/**
 *     %n = binary[div] %x, sqrt(mean(%x·%x) + ε)     ⇒   %y = rms-norm %x, %w
 *     %y = binary[mul] %n, %w
 *
 * over the last axis. Runs after `recognize-layer-norm`, whose centered form holds the same square root.
 */
export const recognizeRmsNorm: Pass = {
  name: "recognize-rms-norm",
  summary: "decomposed root-mean-square normalizations, with their weights, become rms-norm",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      if (node.op === "rms-norm") simplify(rewriter, node);
      else if (node.op === "binary") decomposed(rewriter, node) || weighted(rewriter, node);
    }
    return rewriter.finish();
  },
};

function emit(
  rewriter: Rewriter,
  output: ValueId | undefined,
  epsilon: number,
  x: ValueId,
  weight?: ValueId,
): boolean {
  const shape = rewriter.shape(x);
  if (output === undefined || shape === undefined) return false;
  const inputs = weight === undefined ? [x] : [x, rewriter.flatConstant(weight)];
  const attrs = { axis: shape.length - 1, epsilon, group: 0 };
  rewriter.replace(output, rewriter.emit({ op: "rms-norm", inputs, attrs }, shape));
  return true;
}

function simplify(rewriter: Rewriter, node: Node): void {
  if (node.op !== "rms-norm" || node.attrs.group !== 0) return;
  const [x, weight] = [rewriter.input(node, 0), rewriter.input(node, 1)];
  const shape = x === undefined ? undefined : rewriter.shape(x);
  if (x === undefined || shape === undefined) return;
  if (node.attrs.axis !== -1 && node.attrs.axis !== shape.length - 1) return;
  if (weight !== undefined && !isRow(rewriter, weight, shape.at(-1))) return;
  const trivial = weight === undefined || rewriter.isFilled(weight, 1);
  emit(rewriter, node.outputs[0], cleanEpsilon(node.attrs.epsilon), x, trivial ? undefined : weight);
}

function decomposed(rewriter: Rewriter, node: Node): boolean {
  const match = matchNormalized(rewriter, node);
  if (match === undefined || match.factors.length > 1) return false;
  const weight = match.factors[0];
  if (weight !== undefined && !isRow(rewriter, weight, rewriter.shape(match.x)?.at(-1))) return false;
  return emit(rewriter, node.outputs[0], match.epsilon, match.x, weight);
}

/** rms-norm(x)·w */
function weighted(rewriter: Rewriter, node: Node): boolean {
  if (node.op !== "binary" || node.attrs.fn !== "mul") return false;
  const match = matchNormAndRow(rewriter, node, "rms-norm", 1);
  return match !== undefined && emit(rewriter, node.outputs[0], match.epsilon, match.x, match.row);
}
