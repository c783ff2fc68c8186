import { byteLength, type DType } from "../../ir/dtype.js";
import { type Encoding, isTernary } from "../../ir/format/encoding.js";

/** What a stored tensor is for. */
export type StorageKind = "ternary codes" | "scales" | "dense weights" | "vectors";

/** A tensor of `weights.safetensors`, as the manifest or the compiler lists it. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

export interface TensorStorage {
  readonly name: string;
  readonly kind: StorageKind;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface StorageAccount {
  readonly bytes: number;
  readonly byKind: Readonly<Record<StorageKind, number>>;
  readonly tensors: readonly TensorStorage[];
}

/** Bytes of the tensors by what they are for; the file has a header besides. */
export function storageOf(tensors: readonly StoredTensor[]): StorageAccount {
  const found = tensors.map(({ name, dtype, shape, encoding }): TensorStorage => {
    const bytes = byteLength(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    );
    return { name, kind: kindOf(name, shape, encoding), shape, bytes };
  });
  const byKind = { "ternary codes": 0, scales: 0, "dense weights": 0, vectors: 0 };
  for (const { kind, bytes } of found) byKind[kind] += bytes;
  return { bytes: found.reduce((sum, { bytes }) => sum + bytes, 0), byKind, tensors: found };
}

function kindOf(name: string, shape: readonly number[], encoding: Encoding): StorageKind {
  if (isTernary(encoding)) return "ternary codes";
  if (/\.scales$/.test(name)) return "scales";
  return shape.length === 2 ? "dense weights" : "vectors";
}
