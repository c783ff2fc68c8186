import type { OpAttrs } from "../../ir/ops/index.js";
import type { Tensor } from "../../ir/tensor.js";

/** Operands of attention of one sample or several: q, k, v, bias, mask. */
export type AttentionOperands = readonly [Tensor, Tensor, Tensor, (Tensor | null)?, (Tensor | null)?];

/** What attention is by its definition, one output channel at a time, in doubles. */
export function attentionByLoops(
  [q, k, v, bias, mask]: AttentionOperands,
  { heads, scale, causal = false, keyValueHeads = heads, maskLoss }: OpAttrs["attention"],
): Float64Array {
  const [batch = 1, queries = 1, width = 1] = q.shape;
  const [, keys = 1, narrow = 1] = k.shape;
  const d = width / heads;
  const out = new Float64Array(batch * queries * width);
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < heads; h++) {
      const shared = Math.floor(h / (heads / keyValueHeads)) * d;
      for (let i = 0; i < queries; i++) {
        const weights: number[] = [];
        for (let j = 0; j < keys; j++) {
          let s = 0;
          for (let c = 0; c < d; c++) {
            const at = (n * keys + j) * narrow + shared + c;
            s += Number(q.data[(n * queries + i) * width + h * d + c]) * Number(k.data[at]);
          }
          const distance = h * (queries + keys - 1) + j - i + queries - 1;
          const added = bias ? Number(bias.data[distance]) : 0;
          const hidden = maskLoss === undefined && mask && Number(mask.data[n * keys + j]) === 0;
          const both = maskLoss === undefined || !mask ? 0 : maskLoss * pair(mask, n, i, j);
          weights.push((causal && j > i) || hidden ? 0 : Math.exp(scale * s + added + both));
        }
        const total = weights.reduce((sum, e) => sum + e, 0);
        for (let c = 0; c < d; c++) {
          let y = 0;
          for (const [j, e] of weights.entries())
            y += (e / total) * Number(v.data[(n * keys + j) * narrow + shared + c]);
          out[(n * queries + i) * width + h * d + c] = y;
        }
      }
    }
  }
  return out;
}

/** What a query and a key have of the outer product of a mask, as Diffusers adds it; tokens behind the mask are shown. */
function pair({ data, shape }: Tensor, n: number, i: number, j: number): number {
  const masked = shape[1] ?? 0;
  const [a, b] = [i, j].map((token) => (token < masked ? Number(data[n * masked + token]) : 1));
  return (a ?? 0) * (b ?? 0);
}
