import type { FileHandle } from "node:fs/promises";
import type { ByteReader } from "../../ir/constant/constant.js";
import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { writeFileAtomic } from "../atomic-file.js";
import type { WeightTensor } from "../lower/index.js";
import { type KnownScales, packRows } from "./tensor-rows.js";

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

export interface PackOptions {
  readonly reader: ByteReader;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * `pack-weights`: writes `weights.safetensors` in a few megabytes of memory: the header is known from the
 * shapes, then rows stream from the model's files. Codes come first, because finding them gives the scales.
 * Throws TRITC_E_WEIGHT_NOT_FINITE naming tensor and row.
 */
export async function writeWeights(path: string, layout: PackedLayout, options: PackOptions): Promise<void> {
  const scales: KnownScales = new WeakMap();
  const order = [...layout.tensors].sort(
    (a, b) => Number(b.tensor.encoding === "trits") - Number(a.tensor.encoding === "trits"),
  );
  await writeFileAtomic(path, async (file) => {
    await writeAt(file, layout.header, 0);
    for (const [i, packed] of order.entries()) {
      let at = packed.offset;
      for (const bytes of packRows(packed.tensor, options.reader, scales)) {
        options.signal?.throwIfAborted();
        await writeAt(file, bytes, at);
        at += bytes.length;
      }
      if (at !== packed.offset + packed.bytes)
        throw new Error(`${packed.tensor.name}: ${at - packed.offset} bytes`);
      options.onProgress?.(i + 1, order.length);
    }
  });
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
