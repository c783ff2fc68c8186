import { type Shape, sameShape } from "../../ir/dim.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { isComputedRow } from "./match/rows.js";

/**
 *     x·(1 + scale) + shift   ⇒   modulate x, shift, scale
 *     r + gate·y              ⇒   gated-residual r, gate, y
 *
 * where shift, scale and gate are computed rows ([1, C], or [1, 1, C] for the broadcast), x, r, y [1, T, C].
 */
export const recognizeModulation: Pass = {
  name: "recognize-modulation",
  summary: "scale-and-shift by computed rows becomes modulate, gated sums become gated-residual",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      const output = node.outputs[0];
      if (node.op !== "binary" || node.attrs.fn !== "add" || output === undefined) continue;
      const [a, b] = [rewriter.input(node, 0), rewriter.input(node, 1)];
      const shape = rewriter.shape(output);
      if (a === undefined || b === undefined || shape?.length !== 3) continue;
      for (const [p, q] of [
        [a, b],
        [b, a],
      ] as const) {
        const made = modulated(rewriter, p, q, shape) ?? gated(rewriter, p, q, shape);
        if (made === undefined) continue;
        rewriter.replace(output, made);
        break;
      }
    }
    return rewriter.finish();
  },
};

/** p = x·(1 + scale), q = shift; or p = x + x·scale. */
function modulated(rewriter: Rewriter, p: ValueId, q: ValueId, shape: Shape): ValueId | undefined {
  const width = shape.at(-1);
  if (!isComputedRow(rewriter, q, width)) return undefined;
  const parts = scaled(rewriter, p, shape) ?? scaledSum(rewriter, p, shape);
  if (parts === undefined) return undefined;
  const inputs = [parts.x, row(rewriter, q), row(rewriter, parts.scale)];
  return rewriter.emit({ op: "modulate", inputs, attrs: {} }, shape);
}

interface Scaled {
  readonly x: ValueId;
  readonly scale: ValueId;
}

function scaled(rewriter: Rewriter, id: ValueId, shape: Shape): Scaled | undefined {
  const product = rewriter.binary(id, "mul");
  if (product === undefined) return undefined;
  for (const [x, factor] of [product, [product[1], product[0]] as const]) {
    if (!hasShape(rewriter, x, shape)) continue;
    const scale = plusOne(rewriter, factor);
    if (scale !== undefined && isComputedRow(rewriter, scale, shape.at(-1))) return { x, scale };
  }
  return undefined;
}

function scaledSum(rewriter: Rewriter, id: ValueId, shape: Shape): Scaled | undefined {
  const sum = rewriter.binary(id, "add");
  if (sum === undefined) return undefined;
  for (const [x, other] of [sum, [sum[1], sum[0]] as const]) {
    const product = hasShape(rewriter, x, shape) ? rewriter.binary(other, "mul") : undefined;
    if (product === undefined) continue;
    const scale = product[0] === x ? product[1] : product[1] === x ? product[0] : undefined;
    if (scale !== undefined && isComputedRow(rewriter, scale, shape.at(-1))) return { x, scale };
  }
  return undefined;
}

/** s if the value is s + 1, also below a reshape that only adds or removes axes of size 1. */
function plusOne(rewriter: Rewriter, id: ValueId): ValueId | undefined {
  const sum = rewriter.binary(id, "add");
  if (sum !== undefined) {
    if (rewriter.isFilled(sum[1], 1)) return sum[0];
    return rewriter.isFilled(sum[0], 1) ? sum[1] : undefined;
  }
  const node = rewriter.producer(id);
  const inner = node?.op === "reshape" ? rewriter.input(node, 0) : undefined;
  if (inner === undefined || !isComputedRow(rewriter, inner, rewriter.shape(id)?.at(-1))) return undefined;
  return plusOne(rewriter, inner);
}

/** p = gate·y, q = residual. */
function gated(rewriter: Rewriter, p: ValueId, q: ValueId, shape: Shape): ValueId | undefined {
  const product = rewriter.binary(p, "mul");
  if (product === undefined || !hasShape(rewriter, q, shape)) return undefined;
  for (const [gate, y] of [product, [product[1], product[0]] as const]) {
    // y + gate·y is a modulation that its shift may follow.
    if (y === q || !hasShape(rewriter, y, shape) || !isComputedRow(rewriter, gate, shape.at(-1))) continue;
    return rewriter.emit({ op: "gated-residual", inputs: [q, row(rewriter, gate), y], attrs: {} }, shape);
  }
  return undefined;
}

function hasShape(rewriter: Rewriter, id: ValueId, shape: Shape): boolean {
  const found = rewriter.shape(id);
  return found !== undefined && rewriter.constant(id) === undefined && sameShape(found, shape);
}

/** The row as [1, C], the form the model ops take. */
function row(rewriter: Rewriter, id: ValueId): ValueId {
  return rewriter.reshape(id, [1, rewriter.shape(id)?.at(-1) ?? 1]);
}
