import { divDims } from "../../../ir/dim.js";
import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { Builder } from "../builder.js";
import { operand, type Section } from "../rules.js";

/** What is done head by head. */
export const attention: Section<"attention"> = {
  /** The rotation back: by the angle's negative. Tables have no gradient. */
  rope(b, node, [g]) {
    const [cos, sin] = [operand(node, 1), operand(node, 2)];
    return [b.editor.add("rope", [g, cos, b.unary("neg", sin)], node.attrs), null, null];
  },

  /** P = softmax(scale·q·kᵀ), y = P·v: dv = Pᵀ·dy; dS = P∘(dP − Σ dP∘P) with dP = dy·vᵀ; dq = scale·dS·k, dk = scale·dSᵀ·q.
   *  None of what text encoders have besides: they are not trained. */
  attention(b, node, [g]) {
    const { heads: count, scale, causal = false, keyValueHeads = count } = node.attrs;
    if (causal || keyValueHeads !== count || node.inputs.slice(3).some((id) => id !== null)) return [];
    const ids = [operand(node, 0), operand(node, 1), operand(node, 2)] as const;
    const heads = (id: ValueId) => splitHeads(b, node, id);
    const [q, k, v, dy] = [heads(ids[0]), heads(ids[1]), heads(ids[2]), heads(g)];
    const scores = b.matmul(b.mul(q, scale), b.transposeMatrix(k));
    const p = b.editor.add("softmax", [scores], { axis: b.rank(scores) - 1, log: false });
    const dp = b.matmul(dy, b.transposeMatrix(v));
    const along = b.reduce("sum", b.mul(dp, p), [b.rank(p) - 1]);
    const ds = b.mul(b.mul(p, b.sub(dp, along)), scale);
    const gradients = [
      b.matmul(ds, k),
      b.matmul(b.transposeMatrix(ds), q),
      b.matmul(b.transposeMatrix(p), dy),
    ];
    return gradients.map((d, i) => joinHeads(b, d, ids[i] ?? g));
  },
};

/** [..., T, H·D] → [..., H, T, D] */
function splitHeads(b: Builder, { attrs: { heads } }: NodeOf<"attention">, x: ValueId): ValueId {
  const shape = b.shape(x);
  const split = b.reshape(x, [...shape.slice(0, -1), heads, divDims(shape.at(-1) ?? 1, heads) ?? 1]);
  return b.transpose(split, swapped(shape.length + 1));
}

/** [..., H, T, D] → the shape of `like` */
function joinHeads(b: Builder, x: ValueId, like: ValueId): ValueId {
  return b.reshape(b.transpose(x, swapped(b.rank(x))), b.shape(like));
}

/** The axes in order, but the second and third last. */
function swapped(rank: number): readonly number[] {
  const axes = Array.from({ length: rank }, (_, i) => i);
  return [...axes.slice(0, -3), rank - 2, rank - 3, rank - 1];
}
