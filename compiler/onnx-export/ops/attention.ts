import type { DType } from "../../../ir/dtype.js";
import type { Operands, Section } from "../operands.js";
import type { Name } from "../writer.js";
import { groupedRmsNorm } from "./norms.js";

interface Rotation {
  /** [..., T, width] */
  readonly x: Name;
  /** [T, headDim/2] */
  readonly cos: Name;
  readonly sin: Name;
  readonly rank: number;
  readonly width: number;
  readonly headDim: number;
}

/** Pairs (2j, 2j+1) of each head: y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin. */
function rotate(n: Operands, { x, cos, sin, rank, width, headDim }: Rotation): Name {
  const kept = Array.from({ length: rank - 1 }, () => 0);
  const pairs = n.reshape(x, [...kept, width / headDim, headDim / 2, 2]);
  const halves = { axis: { int: rank + 1 }, num_outputs: { int: 2 } };
  const [re = "", im = ""] = n.writer.many("Split", [pairs], 2, halves);
  const [c, s] = [n.unsqueeze(cos, 1, 3), n.unsqueeze(sin, 1, 3)];
  const y0 = n.op("Sub", [n.op("Mul", [re, c]), n.op("Mul", [im, s])]);
  const y1 = n.op("Add", [n.op("Mul", [im, c]), n.op("Mul", [re, s])]);
  return n.reshape(n.op("Concat", [y0, y1], { axis: { int: rank + 1 } }), [...kept, width]);
}

export interface QkNormRope extends Rotation {
  /** [headDim] */
  readonly weight: Name | null;
  readonly dtype: DType;
  readonly epsilon: number;
}

/** RMS norm of each head, then its rotation. */
export function qkNormRope(n: Operands, all: QkNormRope): Name {
  const { headDim: group, ...norm } = all;
  return rotate(n, { ...all, x: groupedRmsNorm(n, { ...norm, group }) });
}

export const attention: Section<"attention"> = {
  rope: (n, { headDim }) => {
    const dtype = n.dtype(0);
    const table = { cos: n.as(1, dtype), sin: n.as(2, dtype) };
    return rotate(n, { x: n.input(0), ...table, rank: n.rank(0), width: n.channels(0), headDim });
  },
  "qk-norm-rope": (n, { headDim, epsilon }) => {
    const dtype = n.dtype(0);
    const weight = n.has(1) ? n.as(1, dtype) : null;
    const table = { cos: n.as(2, dtype), sin: n.as(3, dtype) };
    const sizes = { rank: n.rank(0), width: n.channels(0), headDim };
    return qkNormRope(n, { x: n.input(0), weight, ...table, ...sizes, dtype, epsilon });
  },
  /** softmax(scale·q·kᵀ + bias)·v on [..., heads, T, D]. */
  attention: (n, { heads: count, scale, causal = false, keyValueHeads = count, maskLoss }) => {
    const [dtype, rank, width] = [n.dtype(0), n.rank(0), n.channels(0)];
    const kept = Array.from({ length: rank - 1 }, () => 0);
    const leading = Array.from({ length: rank - 2 }, (_, i) => i);
    const [tokens, head, channel] = [rank - 2, rank - 1, rank];
    const split = (i: number, heads: number, ...order: readonly number[]) => {
      const parts = n.reshape(n.as(i, dtype), [...kept, heads, width / count]);
      const turned = n.transpose(parts, [...leading, ...order]);
      return heads === count ? turned : repeated(n, turned, rank - 2, count / heads);
    };
    const q = n.op("Mul", [split(0, count, head, tokens, channel), n.writer.scalar(scale, dtype)]);
    const scores = n.op("MatMul", [q, split(1, keyValueHeads, head, channel, tokens)]);
    const weights = n.op("Softmax", [withTerms(n, scores, { causal, maskLoss, rank })], {
      axis: { int: -1 },
    });
    const values = n.op("MatMul", [weights, split(2, keyValueHeads, head, tokens, channel)]);
    // [..., heads, T, D] back to [..., T, heads·D]; the axes swap places.
    return n.reshape(n.transpose(values, [...leading, head, tokens, channel]), [...kept, width]);
  },
};

/** Each entry of an axis `times` times, one after the other. The shape has one axis more than queries have. */
function repeated(n: Operands, x: Name, axis: number, times: number): Name {
  const rank = n.rank(0) + 1;
  const by = Array.from({ length: rank + 1 }, (_, i) => (i === axis + 1 ? times : 1));
  const tiled = n.op("Tile", [n.unsqueeze(x, axis + 1), n.integers(...by)]);
  const kept = Array.from({ length: axis }, () => 0);
  // What follows the axis has a size that may be known when it runs only: -1 stands for the heads.
  const after = n.op("Shape", [x], { start: { int: axis + 1 } });
  return n.op("Reshape", [tiled, n.op("Concat", [n.integers(...kept, -1), after], { axis: { int: 0 } })]);
}

interface Terms {
  readonly causal: boolean;
  readonly maskLoss: number | undefined;
  readonly rank: number;
}

/** Scores [..., heads, T, L] with what bias, mask and causality make of them. */
function withTerms(n: Operands, scores: Name, { causal, maskLoss, rank }: Terms): Name {
  if (!causal && !n.has(3) && !n.has(4)) return scores;
  const dtype = n.dtype(0);
  const count = (i: number, axis = rank - 2) => n.op("Squeeze", [n.dimensions([n.shape(i)[axis] ?? 1])]);
  const range = (end: Name) =>
    n.op("Range", [n.writer.integers([0], true), end, n.writer.integers([1], true)]);
  const [queries, keys] = [count(0), count(1)];
  const [query, key] = [n.unsqueeze(range(queries), 1), range(keys)];
  const never = n.writer.scalar(Number.NEGATIVE_INFINITY, dtype);
  let terms = scores;
  if (n.has(3)) {
    const last = n.op("Sub", [queries, n.writer.integers([1], true)]);
    const at = n.op("Add", [n.op("Sub", [key, query]), last]);
    terms = n.op("Add", [terms, n.op("Gather", [n.as(3, dtype), at], { axis: { int: 1 } })]);
  }
  if (n.has(4) && maskLoss !== undefined) {
    terms = n.op("Sub", [terms, lost(n, n.op("Sub", [keys, count(4, rank - 2)]), maskLoss, rank)]);
  } else if (n.has(4)) {
    const takes = n.unsqueeze(n.as(4, "bool"), rank - 2, rank - 1);
    terms = n.op("Where", [takes, terms, never]);
  }
  return causal ? n.op("Where", [n.op("LessOrEqual", [key, query]), terms, never]) : terms;
}

/** loss·mᵢ·(1 − mⱼ) [..., 1, T, T], m being the mask and 1 for the tokens behind it, `shown` of them. */
function lost(n: Operands, shown: Name, loss: number, rank: number): Name {
  const dtype = n.dtype(0);
  const one = n.writer.scalar(1, dtype);
  const behind = n.op(
    "Concat",
    [n.integers(...Array.from({ length: 2 * rank - 3 }, () => 0)), n.unsqueeze(shown, 0)],
    {
      axis: { int: 0 },
    },
  );
  const m = n.op("Pad", [n.as(4, dtype), behind, one]);
  const most = n.op("Mul", [n.unsqueeze(m, rank - 2, rank), n.writer.scalar(loss, dtype)]);
  return n.op("Mul", [most, n.op("Sub", [one, n.unsqueeze(m, rank - 2, rank - 1)])]);
}
