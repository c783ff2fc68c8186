import { isBig } from "../../constant/convert.js";
import type { OpAttrs } from "../../ops/index.js";
import { countOf, type Tensor } from "../../tensor.js";
import { like, OpError, stridesOf } from "../value.js";
import { stridedCopy } from "./copy.js";

/** The source index of each padded index along one axis; -1 for the constant. */
function paddedIndices(size: number, before: number, after: number, mode: OpAttrs["pad"]["mode"]): number[] {
  const out: number[] = [];
  for (let i = -before; i < size + after; i++) {
    if (i >= 0 && i < size) out.push(i);
    else if (mode === "constant" || size === 0) out.push(-1);
    else if (mode === "edge") out.push(i < 0 ? 0 : size - 1);
    else if (mode === "wrap") out.push(((i % size) + size) % size);
    else {
      const period = Math.max(1, 2 * (size - 1));
      const m = ((i % period) + period) % period;
      out.push(m < size ? m : period - m);
    }
  }
  return out;
}

/** Pads may be negative: they cut. Axis by axis, so that corners repeat what edges hold. */
export function pad(
  x: Tensor,
  pads: readonly number[],
  value: Tensor | null,
  axes: readonly number[],
  mode: OpAttrs["pad"]["mode"],
): Tensor {
  if (pads.length !== 2 * axes.length) throw new OpError(`${pads.length} pads for ${axes.length} axes`);
  return axes.reduce((t, axis, i) => padAxis(t, axis, pads[i]!, pads[i + axes.length]!, value, mode), x);
}

function padAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  value: Tensor | null,
  mode: OpAttrs["pad"]["mode"],
): Tensor {
  if (before === 0 && after === 0) return x;
  const size = x.shape[axis]!;
  const from = paddedIndices(size, before, after, mode);
  const shape = [...x.shape];
  shape[axis] = from.length;
  const data = like(x, countOf(shape));
  if (value !== null) {
    const v = value.data[0] ?? 0;
    if (isBig(data)) data.fill(BigInt(v));
    else data.fill(Number(v));
  }
  const [own, target] = [stridesOf(x.shape), stridesOf(shape)];
  const slab = shape.map((d, i) => (i === axis ? 1 : d));
  // Runs of consecutive source indices are copied at once.
  for (let start = 0; start < from.length; ) {
    let end = start + 1;
    while (end < from.length && from[start]! >= 0 && from[end] === from[end - 1]! + 1) end++;
    if (from[start]! >= 0) {
      slab[axis] = end - start;
      stridedCopy(
        slab,
        { data: x.data, offset: from[start]! * own[axis]!, strides: own },
        { data, offset: start * target[axis]!, strides: target },
      );
    }
    start = end;
  }
  return { dtype: x.dtype, shape, data };
}
