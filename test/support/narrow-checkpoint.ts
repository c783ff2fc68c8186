import { encodeBytes } from "../../ir/constant/convert.js";
import { type NarrowFloat, widenNarrow } from "../../ir/constant/float8.js";
import { decodeHalf } from "../../ir/constant/float16.js";
import type { DType } from "../../ir/dtype.js";
import { encodeHeader } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Tensors } from "./diffusers-model.js";

/** A tensor as a file holds it. */
export interface StoredBytes {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file of stored tensors, in their order. */
export function safetensorsOf(tensors: ReadonlyMap<string, StoredBytes>): Uint8Array {
  const header = encodeHeader([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  return Buffer.concat([header, ...[...tensors.values()].map(({ bytes }) => bytes)]);
}

export function stored(tensor: Tensor): StoredBytes {
  return { dtype: tensor.dtype, shape: tensor.shape, bytes: encodeBytes(tensor.dtype, tensor.data) };
}

/** How the scales of 8-bit weights are written. */
export interface NarrowForm {
  readonly dtype: NarrowFloat;
  /** Tensor of the scales, such as `scale_weight`; none: weights are as they are. */
  readonly scale?: string;
  readonly byRow?: boolean;
}

export interface NarrowCheckpoint {
  readonly stored: Map<string, StoredBytes>;
  /** What the stored tensors stand for. */
  readonly values: Tensors;
}

/** All matrices of a checkpoint in 8-bit floats, the largest at the type's largest power of two if scaled. */
export function narrowed(tensors: Tensors, { dtype, scale, byRow = false }: NarrowForm): NarrowCheckpoint {
  const codes = Uint8Array.from({ length: 127 }, (_, bits) => bits);
  const all = decodeHalf(widenNarrow(dtype, codes)).filter(Number.isFinite);
  // They ascend.
  const nearest = (v: number) => {
    const magnitude = Math.abs(v);
    let [below, above] = [0, all.length - 1];
    while (above - below > 1) {
      const middle = (below + above) >> 1;
      if (all[middle]! <= magnitude) below = middle;
      else above = middle;
    }
    const best = all[above]! - magnitude < magnitude - all[below]! ? above : below;
    return best | (v < 0 ? 0x80 : 0);
  };
  const out = new Map<string, StoredBytes>();
  const values = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const [rows = 1, width = 1] = tensor.shape;
    if (tensor.shape.length !== 2) {
      out.set(name, stored(tensor));
      values.set(name, tensor);
      continue;
    }
    const data = Float32Array.from(tensor.data, Number);
    const scales = Float32Array.from({ length: byRow ? rows : 1 }, (_, r) => {
      const part = byRow ? data.subarray(r * width, (r + 1) * width) : data;
      return scale === undefined ? 1 : part.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 256;
    });
    const scaleOf = (i: number) => scales[byRow ? Math.floor(i / width) : 0] ?? 1;
    const bytes = Uint8Array.from(data, (v, i) => nearest(v / scaleOf(i)));
    const decoded = decodeHalf(widenNarrow(dtype, bytes));
    out.set(name, { dtype, shape: tensor.shape, bytes });
    values.set(name, { ...tensor, data: decoded.map((v, i) => v * scaleOf(i)) });
    if (scale !== undefined) {
      const shape = byRow ? [rows, 1] : [];
      out.set(name.replace(/weight$/, scale), stored({ dtype: "f32", shape, data: scales }));
    }
  }
  return { stored: out, values };
}
