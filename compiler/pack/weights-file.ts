import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import type { WeightTensor } from "../lower/index.js";

/** Where a tensor lies in `weights.safetensors`. */
export interface PackedTensor {
  readonly tensor: WeightTensor;
  /** First byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface PackedLayout {
  readonly header: Uint8Array;
  readonly tensors: readonly PackedTensor[];
  readonly fileBytes: number;
}

/** Places tensors by element size, then name: every tensor is aligned, and the file depends on nothing else. */
export function layoutWeights(tensors: readonly WeightTensor[]): PackedLayout {
  const elementBytes = (t: WeightTensor) => byteLength(t.dtype, 1);
  const sorted = [...tensors].sort(
    (a, b) => elementBytes(b) - elementBytes(a) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const entries: string[] = [];
  const placed: { readonly tensor: WeightTensor; readonly start: number; readonly bytes: number }[] = [];
  let at = 0;
  for (const tensor of sorted) {
    const bytes = byteLength(tensor.dtype, countOf(tensor.shape));
    const entry = {
      dtype: tensor.dtype.toUpperCase(),
      shape: tensor.shape,
      data_offsets: [at, at + bytes],
    };
    entries.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(entry)}`);
    placed.push({ tensor, start: at, bytes });
    at += bytes;
  }
  const json = new TextEncoder().encode(
    `{"__metadata__":{"format":"tritc"}${entries.map((e) => `,${e}`).join("")}}`,
  );
  const headerBytes = Math.ceil(json.length / 16) * 16 - 8;
  const padded = headerBytes < json.length ? headerBytes + 16 : headerBytes;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  const dataStart = header.length;
  return {
    header,
    tensors: placed.map(({ tensor, start, bytes }) => ({ tensor, offset: dataStart + start, bytes })),
    fileBytes: dataStart + at,
  };
}
