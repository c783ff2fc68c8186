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
  for (let k = 0; k < out.length; k++) {
    const i = from + k;
    let s = 0;
    if (scale.length > 1) {
      const along = Math.floor(i / inner) % size;
      if (blockSize === 0) s = along;
      else
        s = (Math.floor(i / (inner * size)) * blocks + Math.floor(along / blockSize)) * inner + (i % inner);
    }
    out[k] = (codes[k]! - (zeroPoint === null ? 0 : zeroPoint[s]!)) * scale[s]!;
  }
}
