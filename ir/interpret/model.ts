import { isBig } from "../constant/convert.js";
import { type RopeFrequencies, ropePairs, sinusoidFrequencies } from "../ops/frequencies.js";
import type { Activation, OpAttrs } from "../ops/index.js";
import { countOf, type Tensor } from "../tensor.js";
import { gemm } from "./gemm.js";
import { normalizeRows, softmaxRows } from "./norms.js";
import { erf, mapFloats, sigmoid } from "./unary.js";
import {
  type Context,
  type Floats,
  floats,
  newFloats,
  numbers,
  OpError,
  type Section,
  sameDims,
} from "./value.js";

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) */
export function geluTanh(v: number): number {
  return 0.5 * v * (1 + Math.tanh(SQRT_2_OVER_PI * (v + 0.044715 * v * v * v)));
}

/** 0.5·x·(1 + erf(x/√2)) */
export function geluErf(v: number): number {
  return 0.5 * v * (1 + erf(v * Math.SQRT1_2));
}

/** x·sigmoid(x) */
export function silu(v: number): number {
  return v * sigmoid(v);
}

const ACTIVATIONS: Readonly<Record<Activation, ((v: number) => number) | null>> = {
  none: null,
  "gelu-tanh": geluTanh,
  "gelu-erf": geluErf,
  silu,
};

/** Sizes of [..., C]: rows and channels. */
export function rowsAndChannels(x: Tensor): { rows: number; channels: number } {
  const channels = x.shape[x.shape.length - 1] ?? 1;
  return { rows: countOf(x.shape.slice(0, -1)), channels };
}

/**
 * Reads a [B, C] (or [C], [B, 1, C], [B, T, C]) operand at the rows of [B, T, C]: gives the operand's row for
 * each row of x.
 */
function rowMap(x: Tensor, v: Tensor): (row: number) => number {
  const { rows, channels } = rowsAndChannels(x);
  const own = rowsAndChannels(v);
  if (own.channels !== channels || own.rows === 0 || rows % own.rows !== 0) {
    throw new OpError(`[${v.shape.join(", ")}] does not give rows for [${x.shape.join(", ")}]`);
  }
  const repeat = rows / own.rows;
  return (row) => Math.floor(row / repeat);
}

function modulate(x: Tensor, shift: Tensor, scale: Tensor, context: Context): Tensor {
  const { rows, channels } = rowsAndChannels(x);
  const [data, a, b] = [floats(x), floats(shift), floats(scale)];
  const [rowA, rowB] = [rowMap(x, shift), rowMap(x, scale)];
  const out = newFloats(x.dtype, data.length, context.wide);
  for (let r = 0, i = 0; r < rows; r++) {
    const pa = rowA(r) * channels;
    const pb = rowB(r) * channels;
    for (let c = 0; c < channels; c++, i++) out[i] = data[i]! * (1 + b[pb + c]!) + a[pa + c]!;
  }
  return { dtype: x.dtype, shape: x.shape, data: out };
}

function gatedResidual(residual: Tensor, gate: Tensor, y: Tensor, context: Context): Tensor {
  if (residual.data.length !== y.data.length) {
    throw new OpError(`a residual [${residual.shape.join(", ")}] for [${y.shape.join(", ")}]`);
  }
  const { rows, channels } = rowsAndChannels(y);
  const [base, g, data] = [floats(residual), floats(gate), floats(y)];
  const row = rowMap(y, gate);
  const out = newFloats(y.dtype, data.length, context.wide);
  for (let r = 0, i = 0; r < rows; r++) {
    const p = row(r) * channels;
    for (let c = 0; c < channels; c++, i++) out[i] = base[i]! + g[p + c]! * data[i]!;
  }
  return { dtype: y.dtype, shape: residual.shape, data: out };
}

/** Activation, then residual and gate; the end of every linear. */
export function epilogue(
  y: Tensor,
  activation: Activation,
  gated: readonly [Tensor, Tensor] | null,
  context: Context,
): Tensor {
  const f = ACTIVATIONS[activation];
  const active = f === null ? y : mapFloats(y, context, f);
  return gated === null ? active : gatedResidual(gated[1], gated[0], active, context);
}

function linear(x: Tensor, weight: Tensor, bias: Tensor | null, context: Context): Tensor {
  const { rows, channels } = rowsAndChannels(x);
  const [n = 0, k = 0] = weight.shape;
  if (weight.shape.length !== 2 || k !== channels) {
    throw new OpError(`a weight [${weight.shape.join(", ")}] for [${x.shape.join(", ")}]`);
  }
  const out = newFloats(x.dtype, rows * n, context.wide);
  const left = { data: floats(x), offset: 0, row: k, column: 1 };
  gemm(rows, n, k, left, { data: numbers(weight), offset: 0, row: 1, column: k }, out, 0);
  if (bias !== null) addBias(out, floats(bias));
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), n], data: out };
}

export function addBias(out: Floats, bias: Floats): void {
  const n = bias.length;
  for (let from = 0; from < out.length; from += n)
    for (let c = 0; c < n; c++) out[from + c] = out[from + c]! + bias[c]!;
}

function ropeTable(ids: Tensor, options: RopeFrequencies, context: Context): readonly Tensor[] {
  const axes = ids.shape[ids.shape.length - 1] ?? 1;
  const count = options.axesDims.length;
  if (axes !== count) throw new OpError(`${axes} id axes for ${count} rope axes`);
  const pairs = ropePairs(options);
  // With a batch axis every sample has the same ids.
  const tokens = ids.shape[ids.shape.length - 2] ?? 1;
  const half = pairs.length;
  const dtype = ids.dtype === "f64" ? "f64" : "f32";
  const cos = newFloats(dtype, tokens * half, context.wide);
  const sin = newFloats(dtype, tokens * half, context.wide);
  const position = numbers(ids);
  for (let t = 0, i = 0; t < tokens; t++) {
    for (const { axis, frequency } of pairs) {
      const angle = position[t * axes + axis]! * frequency;
      cos[i] = Math.cos(angle);
      sin[i++] = Math.sin(angle);
    }
  }
  const shape = [tokens, half];
  return [
    { dtype, shape, data: cos },
    { dtype, shape, data: sin },
  ];
}

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

function timestepEmbedding(t: Tensor, options: OpAttrs["timestep-embedding"], context: Context): Tensor {
  const { dim, factor, sinFirst } = options;
  const half = dim / 2;
  const times = numbers(t);
  const dtype = isBig(t.data) ? "f32" : t.dtype;
  const out = newFloats(dtype, times.length * dim, context.wide);
  // Angles run into the thousands, so their rounding shows: frequencies and products are rounded to f32, as
  // exported models and kernels do.
  const round = context.wide ? (v: number) => v : Math.fround;
  const frequencies = sinusoidFrequencies(options).map(round);
  for (let b = 0; b < times.length; b++) {
    const time = round(factor * times[b]!);
    for (let j = 0; j < half; j++) {
      const angle = round(time * frequencies[j]!);
      out[b * dim + j + (sinFirst ? half : 0)] = Math.cos(angle);
      out[b * dim + j + (sinFirst ? 0 : half)] = Math.sin(angle);
    }
  }
  return { dtype, shape: [...t.shape, dim], data: out };
}

export function adaln(x: Tensor, shift: Tensor, scale: Tensor, epsilon: number, context: Context): Tensor {
  const { channels } = rowsAndChannels(x);
  return modulate(normalizeRows(x, channels, epsilon, true, context).out, shift, scale, context);
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

type Names =
  | "linear"
  | "silu"
  | "gelu"
  | "modulate"
  | "gated-residual"
  | "rope-table"
  | "rope"
  | "attention"
  | "timestep-embedding"
  | "adaln"
  | "qk-norm-rope";

export const MODEL: Section<Names> = {
  linear: (x, { activation, gated }, c) => {
    const y = linear(x.tensor(0), x.tensor(1), x.optional(2), c);
    return epilogue(y, activation, gated ? [x.tensor(3), x.tensor(4)] : null, c);
  },
  silu: (x, _, c) => mapFloats(x.tensor(0), c, silu),
  gelu: (x, { approximate }, c) => mapFloats(x.tensor(0), c, approximate === "tanh" ? geluTanh : geluErf),
  modulate: (x, _, c) => modulate(x.tensor(0), x.tensor(1), x.tensor(2), c),
  "gated-residual": (x, _, c) => gatedResidual(x.tensor(0), x.tensor(1), x.tensor(2), c),
  "rope-table": (x, attrs, c) => ropeTable(x.tensor(0), attrs, c),
  rope: (x, { headDim }, c) => rope(x.tensor(0), x.tensor(1), x.tensor(2), headDim, c),
  attention: (x, { heads, scale }, c) => attention(x.tensor(0), x.tensor(1), x.tensor(2), heads, scale, c),
  "timestep-embedding": (x, attrs, c) => timestepEmbedding(x.tensor(0), attrs, c),
  adaln: (x, { epsilon }, c) => adaln(x.tensor(0), x.tensor(1), x.tensor(2), epsilon, c),
  "qk-norm-rope": (x, { headDim, epsilon }, c) =>
    rope(qkNorm(x.tensor(0), x.optional(1), headDim, epsilon, c), x.tensor(2), x.tensor(3), headDim, c),
};
