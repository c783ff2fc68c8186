import type { Activation } from "../ops/linears.js";
import type { Tensor } from "../tensor.js";
import { groupRanges, groupSizeOf, groupsOf } from "../ternary/groups.js";
import { qkNorm, rope } from "./attention.js";
import { gatedResidual } from "./modulation.js";
import { ACTIVATIONS } from "./tensors/activations.js";
import { gemm } from "./tensors/gemm.js";
import { rowsAndChannels } from "./tensors/rows.js";
import { mapFloats } from "./tensors/unary.js";
import { type Context, type Floats, floats, newFloats, numbers, OpError, type Section } from "./value.js";

/** Activation, then residual and gate; the end of every linear. */
function epilogue(
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

function addBias(out: Floats, bias: Floats): void {
  const n = bias.length;
  for (let from = 0; from < out.length; from += n)
    for (let c = 0; c < n; c++) out[from + c] = out[from + c]! + bias[c]!;
}

/**
 * y = Σ t·x · scale[o] (+ bias); with quantized rows the sum is an exact integer, times the row's scale first. Where groups
 * of inputs have a scale each, y = Σ_g scale[o, g] · Σ_{k in g} t·x in ascending order, and the row's scale comes last.
 */
function ternaryLinear(
  x: Tensor,
  rowScale: Tensor | null,
  weight: readonly [Tensor, Tensor],
  context: Context,
): Tensor {
  const [codes, scales] = weight;
  const { rows, channels } = rowsAndChannels(x);
  const [n = 0, k = 0] = codes.shape;
  const group = groupSizeOf(k, scales.shape);
  if (k !== channels || scales.shape[0] !== n || group === undefined) {
    throw new OpError(`codes [${codes.shape.join(", ")}] for [${x.shape.join(", ")}]`);
  }
  const out = newFloats("f32", rows * n, context.wide);
  const s = floats(scales);
  // Kernels multiply in this order, each product and sum of quantized rows rounded to f32.
  const rounded = context.wide || rowScale === null ? (v: number) => v : Math.fround;
  const perRow = rowScale === null ? null : floats(rowScale);
  const sums = new Float64Array(rows * n);
  const groups = groupsOf(k, group);
  const total = groups > 1 ? new Float64Array(rows * n) : sums;
  let g = 0;
  for (const [start, end] of groupRanges(k, group)) {
    const left = { data: numbers(x), offset: start, row: k, column: 1 };
    gemm(rows, n, end - start, left, { data: numbers(codes), offset: start, row: 1, column: k }, sums, 0);
    if (groups > 1)
      for (let i = 0; i < sums.length; i++)
        total[i] = rounded(total[i]! + rounded(rounded(sums[i]!) * s[(i % n) * groups + g]!));
    g++;
  }
  for (let i = 0; i < out.length; i++) {
    const y = perRow === null ? total[i]! : rounded(rounded(total[i]!) * perRow[Math.floor(i / n)]!);
    out[i] = groups > 1 ? y : y * s[i % n]!;
  }
  return { dtype: "f32", shape: [...x.shape.slice(0, -1), n], data: out };
}

function biased(y: Tensor, bias: Tensor | null): Tensor {
  if (bias !== null) addBias(floats(y), floats(bias));
  return y;
}

/** Columns [start, start + count) of x[..., C]. */
function columnsOf(x: Tensor, start: number, count: number, context: Context): Tensor {
  const channels = x.shape.at(-1) ?? 1;
  const from = floats(x);
  const out = newFloats(x.dtype, (from.length / channels) * count, context.wide);
  for (let i = 0; i < out.length; i++) out[i] = from[Math.floor(i / count) * channels + start + (i % count)]!;
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), count], data: out };
}

function setColumns(x: Tensor, start: number, part: Tensor): void {
  const [channels, count] = [x.shape.at(-1) ?? 1, part.shape.at(-1) ?? 1];
  const [to, from] = [floats(x), floats(part)];
  for (let i = 0; i < from.length; i++) to[Math.floor(i / count) * channels + start + (i % count)] = from[i]!;
}

/** x·Wᵀ + b and what is fused into it. */
export const LINEARS: Section<"linears"> = {
  linear: (x, { activation, gated }, c) => {
    const y = linear(x.tensor(0), x.tensor(1), x.optional(2), c);
    return epilogue(y, activation, gated ? [x.tensor(3), x.tensor(4)] : null, c);
  },
  "ternary-linear": (x, { activation, gated, quantized }, c) => {
    // Quantized rows are three operands: (q, rowScale, rowSum).
    const at = quantized ? 3 : 1;
    const y = ternaryLinear(x.tensor(0), quantized ? x.tensor(1) : null, [x.tensor(at), x.tensor(at + 1)], c);
    return epilogue(
      biased(y, x.optional(at + 2)),
      activation,
      gated ? [x.tensor(at + 3), x.tensor(at + 4)] : null,
      c,
    );
  },
  "ternary-qkv": (x, { quantized, headDim, epsilon, width }, c) => {
    const at = quantized ? 3 : 1;
    const y = ternaryLinear(x.tensor(0), quantized ? x.tensor(1) : null, [x.tensor(at), x.tensor(at + 1)], c);
    const result = biased(y, x.optional(at + 2));
    const tables = [x.tensor(at + 4), x.tensor(at + 5)] as const;
    for (const i of [0, 1]) {
      const weight = columnsOf(x.tensor(at + 3), i * headDim, headDim, c);
      const heads = columnsOf(result, i * width, width, c);
      const rotated = rope(qkNorm(heads, weight, headDim, epsilon, c), ...tables, headDim, c);
      setColumns(result, i * width, rotated);
    }
    return result;
  },
};
