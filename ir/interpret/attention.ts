import { countOf, type Tensor } from "../tensor.js";
import { normalizeRows } from "./norms.js";
import { gemm } from "./tensors/gemm.js";
import { rowsAndChannels } from "./tensors/rows.js";
import { softmaxRows } from "./tensors/softmax.js";
import { type Context, floats, newFloats, OpError, type Section, sameDims } from "./value.js";

export function rope(x: Tensor, cos: Tensor, sin: Tensor, headDim: number, context: Context): Tensor {
  const { rows, channels } = rowsAndChannels(x);
  const [data, c, s] = [floats(x), floats(cos), floats(sin)];
  const half = headDim / 2;
  const tokens = c.length / half;
  if (channels % headDim !== 0 || rows % tokens !== 0) {
    throw new OpError(
      `a table [${cos.shape.join(", ")}] for [${x.shape.join(", ")}] with heads of ${headDim}`,
    );
  }
  const out = newFloats(x.dtype, data.length, context.wide);
  for (let r = 0; r < rows; r++) {
    const table = (r % tokens) * half;
    for (let i = r * channels, pair = 0; i < (r + 1) * channels; i += 2, pair = (pair + 1) % half) {
      const [re, im] = [data[i]!, data[i + 1]!];
      out[i] = re * c[table + pair]! - im * s[table + pair]!;
      out[i + 1] = im * c[table + pair]! + re * s[table + pair]!;
    }
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}

export function qkNorm(
  x: Tensor,
  weight: Tensor | null,
  headDim: number,
  epsilon: number,
  context: Context,
): Tensor {
  const { out } = normalizeRows(x, headDim, epsilon, false, context);
  if (weight === null) return out;
  const [data, w] = [floats(out), floats(weight)];
  for (let i = 0; i < data.length; i++) data[i] = data[i]! * w[i % headDim]!;
  return out;
}

function attention(q: Tensor, k: Tensor, v: Tensor, heads: number, scale: number, context: Context): Tensor {
  const width = q.shape[q.shape.length - 1] ?? 1;
  const tokens = q.shape[q.shape.length - 2] ?? 1;
  const keys = k.shape[k.shape.length - 2] ?? 1;
  const batch = countOf(q.shape.slice(0, -2));
  if (width % heads !== 0 || !sameDims(k.shape, v.shape) || k.shape[k.shape.length - 1] !== width) {
    throw new OpError(
      `attention of [${q.shape.join(", ")}], [${k.shape.join(", ")}] and [${v.shape.join(", ")}]`,
    );
  }
  const d = width / heads;
  const [a, b, values] = [floats(q), floats(k), floats(v)];
  const out = newFloats(q.dtype, a.length, context.wide);
  const scores = newFloats(q.dtype, tokens * keys, context.wide);
  const head = newFloats(q.dtype, tokens * d, context.wide);
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < heads; h++) {
      const at = n * tokens * width + h * d;
      const from = n * keys * width + h * d;
      const left = { data: a, offset: at, row: width, column: 1 };
      gemm(tokens, keys, d, left, { data: b, offset: from, row: 1, column: width }, scores, 0);
      for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! * scale;
      softmaxRows(scores, scores, keys, false);
      const weights = { data: scores, offset: 0, row: keys, column: 1 };
      gemm(tokens, d, keys, weights, { data: values, offset: from, row: width, column: 1 }, head, 0);
      for (let t = 0; t < tokens; t++) out.set(head.subarray(t * d, (t + 1) * d), at + t * width);
    }
  }
  return { dtype: q.dtype, shape: q.shape, data: out };
}

/** What is done head by head. */
export const ATTENTION: Section<"attention"> = {
  rope: (x, { headDim }, c) => rope(x.tensor(0), x.tensor(1), x.tensor(2), headDim, c),
  "qk-norm-rope": (x, { headDim, epsilon }, c) =>
    rope(qkNorm(x.tensor(0), x.optional(1), headDim, epsilon, c), x.tensor(2), x.tensor(3), headDim, c),
  attention: (x, { heads, scale }, c) => attention(x.tensor(0), x.tensor(1), x.tensor(2), heads, scale, c),
};
