import type { Tensor } from "../tensor.js";
import { normalizeRows } from "./norms.js";
import { attention } from "./tensors/attention.js";
import { rowsAndChannels } from "./tensors/rows.js";
import { type Context, floats, newFloats, OpError, type Section } from "./value.js";

export function rope(x: Tensor, cos: Tensor, sin: Tensor, headDim: number, context: Context): Tensor {
  const { rows, channels } = rowsAndChannels(x);
  const [data, c, s] = [floats(x), floats(cos), floats(sin)];
  const half = headDim / 2;
  const tokens = c.length / half;
  if (channels % headDim !== 0 || (rows > 0 && rows % tokens !== 0)) {
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

/** What is done head by head. */
export const ATTENTION: Section<"attention"> = {
  rope: (x, { headDim }, c) => rope(x.tensor(0), x.tensor(1), x.tensor(2), headDim, c),
  "qk-norm-rope": (x, { headDim, epsilon }, c) =>
    rope(qkNorm(x.tensor(0), x.optional(1), headDim, epsilon, c), x.tensor(2), x.tensor(3), headDim, c),
  attention,
};
