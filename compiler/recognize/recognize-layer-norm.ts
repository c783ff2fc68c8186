import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { cleanEpsilon, matchNormAndRow, matchNormalized, meanOf } from "./match/normalized.js";
import { isRow } from "./match/rows.js";

/**
 *     %d = binary[sub] %x, mean(%x)                       ⇒   %y = layer-norm %x
 *     %y = binary[div] %d, sqrt(mean(%d·%d) + ε)
 *
 * and constant scale and bias join it; a scale of ones and a bias of zeros vanish.
 */
export const recognizeLayerNorm: Pass = {
  name: "recognize-layer-norm",
  summary: "decomposed layer normalizations become layer-norm; trivial scales and biases vanish",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      if (node.op === "layer-norm") simplify(rewriter, node);
      else if (node.op === "binary" && node.attrs.fn === "add") addBias(rewriter, node);
      else if (node.op === "binary") decomposed(rewriter, node) || scaled(rewriter, node);
    }
    return rewriter.finish();
  },
};

function emit(
  rewriter: Rewriter,
  output: ValueId | undefined,
  epsilon: number,
  x: ValueId,
  scale?: ValueId,
  bias?: ValueId,
): boolean {
  const shape = rewriter.shape(x);
  if (output === undefined || shape === undefined) return false;
  const w = scale === undefined || rewriter.isFilled(scale, 1) ? null : rewriter.flatConstant(scale);
  const b = bias === undefined || rewriter.isFilled(bias, 0) ? null : rewriter.flatConstant(bias);
  const inputs = b !== null ? [x, w, b] : w !== null ? [x, w] : [x];
  const attrs = { axis: shape.length - 1, epsilon };
  rewriter.replace(output, rewriter.emit({ op: "layer-norm", inputs, attrs }, shape));
  return true;
}

function simplify(rewriter: Rewriter, node: Node): void {
  if (node.op !== "layer-norm") return;
  const x = rewriter.input(node, 0);
  const rank = x === undefined ? undefined : rewriter.shape(x)?.length;
  if (x === undefined || rank === undefined) return;
  if (node.attrs.axis !== -1 && node.attrs.axis !== rank - 1) return;
  const [scale, bias] = [rewriter.input(node, 1), rewriter.input(node, 2)];
  const epsilon = cleanEpsilon(node.attrs.epsilon);
  for (const operand of [scale, bias]) {
    if (operand !== undefined && rewriter.constant(operand) === undefined) return;
  }
  emit(rewriter, node.outputs[0], epsilon, x, scale, bias);
}

function decomposed(rewriter: Rewriter, node: Node): boolean {
  const match = matchNormalized(rewriter, node);
  if (match === undefined || match.factors.length > 1) return false;
  const centered = rewriter.binary(match.x, "sub");
  if (centered === undefined || meanOf(rewriter, centered[1]) !== centered[0]) return false;
  const scale = match.factors[0];
  if (scale !== undefined && !isRow(rewriter, scale, rewriter.shape(centered[0])?.at(-1))) return false;
  return emit(rewriter, node.outputs[0], match.epsilon, centered[0], scale);
}

/** layer-norm(x)·w */
function scaled(rewriter: Rewriter, node: Node): boolean {
  if (node.op !== "binary" || node.attrs.fn !== "mul") return false;
  const match = matchNormAndRow(rewriter, node, "layer-norm", 1);
  return match !== undefined && emit(rewriter, node.outputs[0], match.epsilon, match.x, match.row);
}

/** layer-norm(x)·w + b */
function addBias(rewriter: Rewriter, node: Node): void {
  const match = matchNormAndRow(rewriter, node, "layer-norm", 2);
  if (match !== undefined) emit(rewriter, node.outputs[0], match.epsilon, match.x, match.scale, match.row);
}
