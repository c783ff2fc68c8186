import type { ImageConvAttrs } from "../../ops/images.js";
import { countOf, type Tensor } from "../../tensor.js";
import { type Context, type Floats, floats, newFloats, OpError } from "../value.js";
import { gemm } from "./gemm.js";

/** Pixels of the result whose windows are laid out at a time. */
const TILE = 256;

/** `image-conv`: rows of windows times rows of filters, a tile of pixels at a time. */
export function imageConv(
  x: Tensor,
  w: Tensor,
  extra: { readonly bias: Tensor | null; readonly residual: Tensor | null },
  attrs: ImageConvAttrs,
  context: Context,
): Tensor {
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const [filters = 1, ky = 1, kx = 1, inputs = 1] = w.shape;
  if (x.shape.length !== 4 || w.shape.length !== 4 || inputs !== channels)
    throw new OpError(`a filter [${w.shape.join(", ")}] for [${x.shape.join(", ")}]`);
  const { stride, upsample } = attrs;
  const [top = 0, left = 0, bottom = 0, right = 0] = attrs.pads;
  const rows = Math.floor((height * upsample + top + bottom - ky) / stride) + 1;
  const columns = Math.floor((width * upsample + left + right - kx) / stride) + 1;
  if (rows < 0 || columns < 0) throw new OpError(`a filter [${ky}, ${kx}] that is larger than the picture`);
  const shape = [batch, rows, columns, filters];
  const [data, weight] = [floats(x), floats(w)];
  const depth = ky * kx * channels;
  const out = newFloats(x.dtype, countOf(shape), context.wide);
  const windows = new Float64Array(TILE * depth);
  const pixels = batch * rows * columns;
  for (let first = 0; first < pixels; first += TILE) {
    const count = Math.min(TILE, pixels - first);
    windows.fill(0);
    for (let p = 0; p < count; p++) {
      const sample = Math.floor((first + p) / (rows * columns));
      const row = Math.floor((first + p) / columns) % rows;
      const column = (first + p) % columns;
      for (let tap = 0; tap < ky * kx; tap++) {
        // In the enlarged picture.
        const y = row * stride - top + Math.floor(tap / kx);
        const z = column * stride - left + (tap % kx);
        if (y < 0 || z < 0 || y >= height * upsample || z >= width * upsample) continue;
        const from =
          ((sample * height + Math.floor(y / upsample)) * width + Math.floor(z / upsample)) * channels;
        windows.set(data.subarray(from, from + channels), p * depth + tap * channels);
      }
    }
    const a = { data: windows, offset: 0, row: depth, column: 1 };
    const b = { data: weight, offset: 0, row: 1, column: depth };
    gemm(count, filters, depth, a, b, out, first * filters);
  }
  addEpilogue(out, extra, shape);
  return { dtype: x.dtype, shape, data: out };
}

function addEpilogue(
  out: Floats,
  { bias, residual }: { readonly bias: Tensor | null; readonly residual: Tensor | null },
  shape: readonly number[],
): void {
  const filters = shape[3] ?? 1;
  if (bias !== null) {
    const b = floats(bias);
    for (let i = 0; i < out.length; i++) out[i] = out[i]! + b[i % filters]!;
  }
  if (residual === null) return;
  if (residual.data.length !== out.length)
    throw new OpError(`a residual [${residual.shape.join(", ")}] for [${shape.join(", ")}]`);
  const r = floats(residual);
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + r[i]!;
}
