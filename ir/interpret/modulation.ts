import type { Tensor } from "../tensor.js";
import { normalizeRows } from "./norms.js";
import { rowMap, rowsAndChannels } from "./tensors/rows.js";
import { type Context, floats, newFloats, OpError, type Section } from "./value.js";

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

export function gatedResidual(residual: Tensor, gate: Tensor, y: Tensor, context: Context): Tensor {
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

export function adaln(x: Tensor, shift: Tensor, scale: Tensor, epsilon: number, context: Context): Tensor {
  const { channels } = rowsAndChannels(x);
  return modulate(normalizeRows(x, channels, epsilon, true, context).out, shift, scale, context);
}

/** Shift, scale and gate of rows. */
export const MODULATION: Section<"modulation"> = {
  modulate: (x, _, c) => modulate(x.tensor(0), x.tensor(1), x.tensor(2), c),
  "gated-residual": (x, _, c) => gatedResidual(x.tensor(0), x.tensor(1), x.tensor(2), c),
  adaln: (x, { epsilon }, c) => adaln(x.tensor(0), x.tensor(1), x.tensor(2), epsilon, c),
};
