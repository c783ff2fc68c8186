import { isBig } from "../../constant/convert.js";
import { countOf, type Tensor, type TensorData } from "../../tensor.js";
import { like, stridesOf } from "../value.js";

/**
 * Copies move bits, whatever the dtype: data is seen as unsigned cells of its width, so that one loop sees four
 * array types at most. A 64-bit integer is two 32-bit cells.
 */
type Cells = Uint8Array | Uint16Array | Uint32Array | Float64Array;

function cellsOf(data: TensorData): Cells {
  if (data instanceof Float64Array) return data;
  const { buffer, byteOffset, length } = data;
  if (isBig(data)) return new Uint32Array(buffer, byteOffset, length * 2);
  if (data.BYTES_PER_ELEMENT === 4) return new Uint32Array(buffer, byteOffset, length);
  if (data.BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, byteOffset, length);
  return new Uint8Array(buffer, byteOffset, length);
}

/** One side of a strided copy; strides in elements, zero and negative ones allowed. */
export interface Side {
  readonly data: TensorData;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Copies `dims` elements from one side to the other. Both hold the same dtype. */
export function stridedCopy(dims: readonly number[], from: Side, to: Side): void {
  if (dims.includes(0)) return;
  const scale = isBig(from.data) ? 2 : 1;
  const sizes: number[] = [];
  const a: number[] = [];
  const b: number[] = [];
  const push = (size: number, sa: number, sb: number) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    // An axis that continues the one outside of it on both sides merges with it.
    if (last >= 0 && a[last] === sa * size && b[last] === sb * size) {
      sizes[last] = sizes[last]! * size;
      a[last] = sa;
      b[last] = sb;
    } else {
      sizes.push(size);
      a.push(sa);
      b.push(sb);
    }
  };
  dims.forEach((size, axis) => {
    push(size, from.strides[axis]! * scale, to.strides[axis]! * scale);
  });
  if (scale === 2) push(2, 1, 1);
  const src = cellsOf(from.data);
  const dst = cellsOf(to.data);
  copyAxes(sizes, a, b, src, from.offset * scale, dst, to.offset * scale);
}

function copyAxes(
  sizes: readonly number[],
  a: readonly number[],
  b: readonly number[],
  src: Cells,
  srcOffset: number,
  dst: Cells,
  dstOffset: number,
): void {
  const rank = sizes.length;
  if (rank === 0) {
    dst[dstOffset] = src[srcOffset]!;
    return;
  }
  const inner = sizes[rank - 1]!;
  const sa = a[rank - 1]!;
  const sb = b[rank - 1]!;
  const index = new Array<number>(rank).fill(0);
  let p = srcOffset;
  let q = dstOffset;
  for (;;) {
    if (sa === 1 && sb === 1 && inner > 16) dst.set(src.subarray(p, p + inner), q);
    else for (let i = 0, x = p, y = q; i < inner; i++, x += sa, y += sb) dst[y] = src[x]!;
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      p += a[axis]!;
      q += b[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      index[axis] = 0;
      p -= a[axis]! * sizes[axis]!;
      q -= b[axis]! * sizes[axis]!;
    }
    if (axis < 0) return;
  }
}

/** A dense tensor of `shape` read from `t` at an offset with strides. */
export function gatherStrided(
  t: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Tensor {
  const data = like(t, countOf(shape));
  stridedCopy(shape, { data: t.data, offset, strides }, { data, offset: 0, strides: stridesOf(shape) });
  return { dtype: t.dtype, shape, data };
}

/** Copies blocks of `block` elements: block `sources[i]` of `from` to block i of `to`. */
export function gatherBlocks(
  from: TensorData,
  sources: ArrayLike<number>,
  block: number,
  to: TensorData,
): void {
  const scale = isBig(from) ? 2 : 1;
  const src = cellsOf(from);
  const dst = cellsOf(to);
  const width = block * scale;
  for (let i = 0; i < sources.length; i++) {
    const p = sources[i]! * width;
    const q = i * width;
    if (width > 16) dst.set(src.subarray(p, p + width), q);
    else for (let j = 0; j < width; j++) dst[q + j] = src[p + j]!;
  }
}

/** Copies blocks of `block` elements: block i of `from` to block `targets[i]` of `to`. */
export function scatterBlocks(
  from: TensorData,
  targets: ArrayLike<number>,
  block: number,
  to: TensorData,
): void {
  const scale = isBig(from) ? 2 : 1;
  const src = cellsOf(from);
  const dst = cellsOf(to);
  const width = block * scale;
  for (let i = 0; i < targets.length; i++) {
    const q = targets[i]! * width;
    for (let j = 0, p = i * width; j < width; j++) dst[q + j] = src[p + j]!;
  }
}
