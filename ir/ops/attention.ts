import { addDims, type Dim, divDims, mulDims, type Shape, subDims } from "../dim.js";
import { op, optional } from "./definition.js";
import type { Operands } from "./operands.js";
import { sameAsFirst, tensor } from "./results.js";
import { MODEL_ROWS } from "./traits.js";

/** What is done head by head. T: tokens, H: heads, D: channels of a head. */
export const attention = {
  /** (x[B, T, H·D], cos[T, D/2], sin[T, D/2]): rotates pairs (2j, 2j+1) of each head:
   *  y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin */
  rope: op({ operands: 3, attrs: { headDim: "number" }, infer: sameAsFirst, traits: MODEL_ROWS }),
  /** (x[B, T, H·D], weight[D]?, cos, sin) → rope(rmsNorm(x)) per head */
  "qk-norm-rope": op({
    operands: 4,
    attrs: { headDim: "number", epsilon: "number" },
    infer: sameAsFirst,
    traits: MODEL_ROWS,
  }),
  /** (q[B, T, H·D], k and v[B, L, K·D], bias[H, T + L − 1]?, mask[B, L]?) → [B, T, H·D]:
   *  softmax(scale·q·kᵀ + bias)·v per head. K is `keyValueHeads` (H if absent): query head h reads head ⌊h·K/H⌋ of
   *  k and v. The bias of query i and key j is entry j − i + T − 1 of its head. Key j takes part where its mask is not 0 and,
   *  if `causal`, j ≤ i; for each query at least one has to.
   *  With `maskLoss` all take part, and T = L: the score of query i and key j loses maskLoss·mᵢ·(1 − mⱼ), where m is the mask[B, M]
   *  of the first M tokens, and 1 for those behind them. Softmax sees no difference to mᵢ·mⱼ added, were it 1. */
  attention: op({
    operands: [3, 5],
    attrs: {
      heads: "number",
      scale: "number",
      causal: optional("bool"),
      keyValueHeads: optional("number"),
      maskLoss: optional("number"),
    },
    infer: (o, attrs) => {
      const [q, k, v] = [o.shape(0), o.shape(1), o.shape(2)];
      if (q === null || v === null) return tensor(o.dtype(0), null);
      checkTerms(o, q, k ?? v, attrs);
      return tensor(o.dtype(0), [...q.slice(0, -1), widthOf(o, v.at(-1) ?? 1, attrs)]);
    },
    traits: { ...MODEL_ROWS, narrow: { reads: [0, 1, 2], stores: () => true, alike: true } },
  }),
};

interface Terms {
  readonly heads: number;
  readonly maskLoss?: number;
}

/** H·D from K·D. */
function widthOf(
  o: Operands,
  width: Dim,
  { heads, keyValueHeads = heads }: { readonly heads: number; readonly keyValueHeads?: number },
): Dim {
  if (keyValueHeads === heads) return width;
  if (!(keyValueHeads > 0) || heads % keyValueHeads !== 0)
    o.fail(`${heads} heads in equal groups for each of keys and values`, `${keyValueHeads} of these`);
  const channels = divDims(width, keyValueHeads);
  return channels === undefined
    ? o.fail(`a multiple of ${keyValueHeads} channels of keys and values`, `${width}`)
    : mulDims(channels, heads);
}

/** What is known of the sizes of bias and mask. */
function checkTerms(o: Operands, q: Shape, k: Shape, { heads, maskLoss }: Terms): void {
  const [queries, keys] = [q.at(-2) ?? 1, k.at(-2) ?? 1];
  const bias = o.has(3) ? o.shape(3) : null;
  if (bias !== null) {
    if (bias.length !== 2) o.fail("a bias [heads, queries + keys − 1]", `[${bias.join(", ")}]`);
    o.unify(bias[0] ?? 1, heads, "heads of the bias");
    o.unify(bias[1] ?? 1, subDims(addDims(queries, keys), 1), "distances of query and key");
  }
  const mask = o.has(4) ? o.shape(4) : null;
  if (maskLoss !== undefined) {
    if (!o.has(4)) o.fail("a mask, which says what scores are lessened", "none");
    o.unify(queries, keys, "queries and keys of the same tokens");
  } else if (mask !== null) {
    o.unify(mask.at(-1) ?? 1, keys, "keys of the mask");
  }
}
