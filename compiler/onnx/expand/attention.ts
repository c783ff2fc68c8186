import type { ValueId } from "../../../ir/graph/graph.js";
import type { Operation } from "../operation.js";

/** How scores become weights. Absent parts are null. */
export interface AttentionScores {
  /** Factor on q·kᵀ; null: 1/√(channels of a head). */
  readonly scale: number | null;
  /** Added to the scores, or for bool: where false, scores become −∞. */
  readonly mask: ValueId | null;
  readonly causal: boolean;
}

/** [B, S, H·D] → [B, H, S, D] */
export function splitHeads(n: Operation, x: ValueId, heads: number): ValueId {
  const parts = n.emit("reshape", [x, n.i64([0, 0, heads, -1])], { allowZero: false });
  return n.emit("transpose", [parts], { perm: [0, 2, 1, 3] });
}

/** [B, H, S, D] → [B, S, H·D]; the node's output 0. */
export function resultMergedHeads(n: Operation, x: ValueId): void {
  const parts = n.emit("transpose", [x], { perm: [0, 2, 1, 3] });
  n.result("reshape", [parts, n.i64([0, 0, -1])], { allowZero: false });
}

/** softmax(scale·q·kᵀ + mask)·v over [B, H, S, D] operands, as generic ops. */
export function attend(n: Operation, q: ValueId, k: ValueId, v: ValueId, scores: AttentionScores): ValueId {
  const dtype = n.dtype(q);
  const transposed = n.emit("transpose", [k], { perm: [0, 1, 3, 2] });
  const products = n.emit("matmul", [q, transposed], {});
  let weights = scaled(n, q, products, scores.scale);
  if (scores.causal) {
    const shape = n.emit("shape", [products], { start: -2, end: null }, "i64");
    const ones = n.emit("constant-of-shape", [shape], { value: 1, dtype: "i32" }, "i32");
    const lower = n.emit("trilu", [ones], { upper: false });
    weights = masked(n, n.emit("cast", [lower], { to: "bool" }, "bool"), weights);
  }
  if (scores.mask !== null) {
    weights =
      n.dtype(scores.mask) === "bool"
        ? masked(n, scores.mask, weights)
        : n.emit("binary", [weights, n.cast(scores.mask, dtype)], { fn: "add" });
  }
  return n.emit("matmul", [n.emit("softmax", [weights], { axis: -1, log: false }), v], {});
}

function scaled(n: Operation, q: ValueId, products: ValueId, scale: number | null): ValueId {
  const dtype = n.dtype(q);
  if (scale !== null) return n.emit("binary", [products, n.scalar(scale, dtype)], { fn: "mul" });
  const channels = n.emit("shape", [q], { start: -1, end: null }, "i64");
  const root = n.emit("unary", [n.cast(channels, dtype)], { fn: "sqrt" });
  return n.emit("binary", [products, root], { fn: "div" });
}

function masked(n: Operation, keep: ValueId, scores: ValueId): ValueId {
  const dtype = n.dtype(scores);
  return n.emit("where", [keep, scores, n.scalar(-Infinity, dtype)], {}, dtype);
}

/** [B, G, S, D] → [B, G·r, S, D]: each group's keys serve r query heads in a row. */
export function repeatHeads(n: Operation, x: ValueId, groups: number, repeats: number): ValueId {
  const apart = n.emit("unsqueeze", [x, n.i64([2])], {});
  const tiled = n.emit("tile", [apart, n.i64([1, 1, repeats, 1, 1])], {});
  const shape = n.emit("shape", [x], { start: -2, end: null }, "i64");
  const target = n.emit("concat", [n.i64([0, groups * repeats]), shape], { axis: 0 }, "i64");
  return n.emit("reshape", [tiled, target], { allowZero: false });
}
