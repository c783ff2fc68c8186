import type { DType } from "../../../ir/dtype.js";
import type { Operands, Section } from "../operands.js";
import type { Name } from "../writer.js";
import { layerNorm } from "./norms.js";

/** A [B, C] value so that it broadcasts over the tokens of [B, …, C]; all other ranks broadcast as they are. */
function perSample(n: Operands, value: Name, rank: number, over: number): Name {
  if (rank !== 2) return value;
  return n.unsqueeze(value, ...Array.from({ length: Math.max(0, over - 2) }, (_, i) => i + 1));
}

/** residual + gate·y; the ranks are those of the gate and of y. */
export function gated(n: Operands, residual: Name, gate: Name, y: Name, rank: number, over: number): Name {
  return n.op("Add", [residual, n.op("Mul", [perSample(n, gate, rank, over), y])]);
}

/** x·(1 + scale) + shift; shift and scale are operands 1 and 2, `rank` is that of x. */
function modulate(n: Operands, x: Name, rank: number, dtype: DType): Name {
  const shift = perSample(n, n.as(1, dtype), n.rank(1), rank);
  const scale = perSample(n, n.as(2, dtype), n.rank(2), rank);
  const factor = n.op("Add", [scale, n.writer.scalar(1, dtype)]);
  return n.op("Add", [n.op("Mul", [x, factor]), shift]);
}

export function adaln(n: Operands, epsilon: number): Name {
  const dtype = n.dtype(0);
  const normal = layerNorm(n, {
    x: n.input(0),
    shape: n.shape(0),
    dtype,
    axis: -1,
    epsilon,
    scale: null,
    bias: null,
  });
  return modulate(n, normal, n.rank(0), dtype);
}

/** Shift, scale and gate of rows. */
export const modulation: Section<"modulation"> = {
  modulate: (n) => modulate(n, n.input(0), n.rank(0), n.dtype(0)),
  "gated-residual": (n) => {
    const dtype = n.outDtype();
    return gated(n, n.as(0, dtype), n.as(1, dtype), n.as(2, dtype), n.rank(1), n.rank(2));
  },
  adaln: (n, { epsilon }) => adaln(n, epsilon),
};
