import { dequantize } from "../constant/dequantize.js";
import type { OpAttrs } from "../ops/index.js";
import { countOf, type Tensor } from "../tensor.js";
import { quantizeRow } from "../ternary/quantize.js";
import { adaln } from "./modulation.js";
import { broadcastShapes, planBroadcast } from "./tensors/broadcast.js";
import { gemm } from "./tensors/gemm.js";
import { batchOffsets } from "./tensors/matmul.js";
import { rowsAndChannels } from "./tensors/rows.js";
import { type Context, floats, newFloats, numbers, type Operands, type Section, withShape } from "./value.js";

/** (q, rowScale, rowSum) of the rows of x. */
function quantizeRows(x: Tensor): readonly Tensor[] {
  const { rows, channels } = rowsAndChannels(x);
  const data = floats(x);
  const q = new Int8Array(data.length);
  const scale = new Float32Array(rows);
  const sum = new Int32Array(rows);
  for (let r = 0; r < rows; r++) {
    const [from, to] = [r * channels, (r + 1) * channels];
    const row = quantizeRow(data.subarray(from, to), q.subarray(from, to));
    scale[r] = row.scale;
    sum[r] = row.sum;
  }
  const shape = x.shape.slice(0, -1);
  return [
    { dtype: "i8", shape: x.shape, data: q },
    { dtype: "f32", shape, data: scale },
    { dtype: "i32", shape, data: sum },
  ];
}

/** x − zeroPoint as exact doubles; the zero point is one number or one per row (a) or column (b). */
function centered(x: Tensor, zero: Tensor | null, perRow: boolean): Float64Array {
  const data = Float64Array.from(numbers(x));
  if (zero === null) return data;
  const z = numbers(zero);
  // A vector of one per row of `a` stands for a column.
  const aligned = perRow && zero.shape.length === 1 && z.length > 1 ? withShape(zero, [z.length, 1]) : zero;
  const { inner, steps, offsets } = planBroadcast([x.shape, aligned.shape]);
  const starts = offsets[1]!;
  for (let run = 0, o = 0; run < starts.length; run++) {
    for (let i = 0, y = starts[run]!; i < inner; i++, y += steps[1]!, o++) data[o] = data[o]! - z[y]!;
  }
  return data;
}

function matmulInteger(x: Operands): Tensor {
  const [a, b] = [x.tensor(0), x.tensor(1)];
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m = 0, k = 0] = left.slice(-2);
  const n = right[right.length - 1] ?? 0;
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  const count = countOf(batch);
  const [p, q] = [centered(a, x.optional(2), true), centered(b, x.optional(3), false)];
  const [fromA, fromB] = [
    batchOffsets(left.slice(0, -2), batch, m * k),
    batchOffsets(right.slice(0, -2), batch, k * n),
  ];
  const out = new Int32Array(count * m * n);
  for (let i = 0; i < count; i++) {
    const l = { data: p, offset: fromA[i]!, row: k, column: 1 };
    gemm(m, n, k, l, { data: q, offset: fromB[i]!, row: n, column: 1 }, out, i * m * n);
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])];
  return { dtype: "i32", shape, data: out };
}

function dequantizeLinear(
  x: Tensor,
  scale: Tensor,
  zero: Tensor | null,
  attrs: OpAttrs["dequantize-linear"],
  context: Context,
): Tensor {
  const out = newFloats(scale.dtype, x.data.length, context.wide);
  const zeroPoint = zero === null ? null : numbers(zero);
  dequantize(numbers(x), 0, floats(scale), zeroPoint, { shape: x.shape, ...attrs }, out);
  return { dtype: scale.dtype, shape: x.shape, data: out };
}

/** Integers with scales. */
export const QUANTIZED: Section<"quantized"> = {
  "quantize-rows": (x) => quantizeRows(x.tensor(0)),
  "adaln-quantize": (x, { epsilon }, c) =>
    quantizeRows(adaln(x.tensor(0), x.tensor(1), x.tensor(2), epsilon, c)),
  "matmul-integer": (x) => matmulInteger(x),
  "dequantize-linear": (x, attrs, c) => dequantizeLinear(x.tensor(0), x.tensor(1), x.optional(2), attrs, c),
};
