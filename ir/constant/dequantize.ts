import { countOf } from "../tensor.js";
import type { NumberData } from "./convert.js";

/** How codes of a shape meet their scales, as in ONNX DequantizeLinear. */
export interface DequantizeLayout {
  readonly shape: readonly number[];
  /** May be negative. */
  readonly axis: number;
  /** 0: one scale per tensor (a single scale) or per index of the axis; else one per `blockSize` indices. */
  readonly blockSize: number;
}

/**
 * (code − zeroPoint)·scale for the elements `from` to `from + out.length` of the row-major order; `codes` holds
 * just those, `scale` and `zeroPoint` are whole.
 */
export function dequantize(
  codes: NumberData,
  from: number,
  scale: NumberData,
  zeroPoint: NumberData | null,
  layout: DequantizeLayout,
  out: Float32Array | Float64Array,
): void {
  const { shape, blockSize } = layout;
  const axis = layout.axis < 0 ? layout.axis + shape.length : layout.axis;
  const inner = countOf(shape.slice(axis + 1));
  const size = shape[axis] ?? 1;
  const blocks = blockSize === 0 ? size : Math.ceil(size / blockSize);
  if (blockSize === 0 || scale.length === 1) {
    // Runs of elements along which the index of the axis, and with it the scale, is one.
    const run = scale.length === 1 ? Number.POSITIVE_INFINITY : inner;
    let s = scale.length === 1 ? 0 : Math.floor(from / inner) % size;
    for (let k = 0; k < out.length; ) {
      const end = Math.min(out.length, k + run - ((from + k) % run));
      const factor = scale[s]!;
      if (zeroPoint === null) for (; k < end; k++) out[k] = codes[k]! * factor;
      else for (const zero = zeroPoint[s]!; k < end; k++) out[k] = (codes[k]! - zero) * factor;
      s = s + 1 === size ? 0 : s + 1;
    }
    return;
  }
  for (let k = 0; k < out.length; k++) {
    const i = from + k;
    const along = Math.floor(i / inner) % size;
    const s = (Math.floor(i / (inner * size)) * blocks + Math.floor(along / blockSize)) * inner + (i % inner);
    out[k] = (codes[k]! - (zeroPoint === null ? 0 : zeroPoint[s]!)) * scale[s]!;
  }
}
