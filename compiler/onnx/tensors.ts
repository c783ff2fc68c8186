import type { onnx } from "onnx-proto";
import type { Constant } from "../../ir/constant/constant.js";
import { byteLength, DTYPE_BITS, type DType } from "../../ir/dtype.js";
import { dtypeOfOnnx } from "./dtypes.js";
import { badTensor } from "./errors.js";
import { resolveExternal } from "./external-data.js";
import { toBigInt } from "./integers.js";

/** The file that tensors come from. */
export interface TensorSource {
  /** Absolute path of the model file. */
  readonly file: string;
  readonly directory: string;
}

type TensorProto = onnx.ITensorProto;

/** Reads a `TensorProto` as a lazy constant. Checks type, shape, and that the values are exactly as many. */
export function constantOfTensor(tensor: TensorProto, source: TensorSource, place: string): Constant {
  const dtype = dtypeOfOnnx(tensor.dataType ?? 0, place);
  const shape = shapeOfTensor(tensor, place);
  const count = countElements(shape, dtype, place);
  const bytes = byteLength(dtype, count);
  const field = fieldOf(tensor, place);
  if ((tensor.dataLocation ?? 0) === 1) {
    if (field !== null) throw badTensor(place, `the tensor has both external data and ${field}`);
    const entries = (tensor.externalData ?? []).map((e) => ({ key: e.key ?? "", value: e.value ?? "" }));
    const range = resolveExternal(entries, source.directory, bytes, place);
    return { dtype, shape, source: { kind: "file", ...range } };
  }
  if (field === "raw_data" || (field === null && count === 0)) {
    return { dtype, shape, source: rawSource(tensor, bytes, source, place) };
  }
  return { dtype, shape, source: { kind: "inline", bytes: packField(tensor, field, dtype, count, place) } };
}

function shapeOfTensor(tensor: TensorProto, place: string): number[] {
  return (tensor.dims ?? []).map((dim) => {
    const size = toBigInt(dim);
    if (size < 0n) throw badTensor(place, "the tensor has a negative dimension", { found: `${size}` });
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw badTensor(place, "a dimension of the tensor is too large", { found: `${size}` });
    }
    return Number(size);
  });
}

/** The number of elements; refuses shapes whose size in bits no number holds exactly. */
function countElements(shape: readonly number[], dtype: DType, place: string): number {
  const count = shape.reduce((product, d) => product * BigInt(d), 1n);
  if (count * BigInt(DTYPE_BITS[dtype]) > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw badTensor(place, "the product of the tensor's dimensions overflows", {
      found: `[${shape.join(", ")}]`,
    });
  }
  return Number(count);
}

type Field =
  | "raw_data"
  | "float_data"
  | "int32_data"
  | "int64_data"
  | "double_data"
  | "uint64_data"
  | "string_data";

/** The one field that holds the values, or null if all are empty. */
function fieldOf(tensor: TensorProto, place: string): Field | null {
  const lengths: readonly (readonly [Field, number])[] = [
    ["raw_data", skippedRange(tensor)?.length ?? tensor.rawData?.length ?? 0],
    ["float_data", tensor.floatData?.length ?? 0],
    ["int32_data", tensor.int32Data?.length ?? 0],
    ["int64_data", tensor.int64Data?.length ?? 0],
    ["double_data", tensor.doubleData?.length ?? 0],
    ["uint64_data", tensor.uint64Data?.length ?? 0],
    ["string_data", tensor.stringData?.length ?? 0],
  ];
  const used = lengths.filter(([, length]) => length > 0).map(([field]) => field);
  if (used.length > 1)
    throw badTensor(place, "the tensor's values are given twice", { found: used.join(", ") });
  return used[0] ?? null;
}

function rawSource(
  tensor: TensorProto,
  bytes: number,
  source: TensorSource,
  place: string,
): Constant["source"] {
  const raw = tensor.rawData ?? new Uint8Array(0);
  const left = skippedRange(tensor);
  const found = left?.length ?? raw.length;
  if (found !== bytes) {
    throw badTensor(place, "raw_data has another length than the tensor's shape and type take", {
      expected: `${bytes} bytes`,
      found: `${found} bytes`,
    });
  }
  if (left !== null) return { kind: "file", file: source.file, ...left };
  // A copy, so that the constant does not keep the whole model in memory. (`slice` of a Buffer is a view.)
  return { kind: "inline", bytes: Uint8Array.from(raw) };
}

/** Where raw data is that `skimModel` left in the file. */
function skippedRange(tensor: TensorProto): { readonly offset: number; readonly length: number } | null {
  if (!tensor.segment) return null;
  const offset = Number(toBigInt(tensor.segment.begin ?? 0));
  return { offset, length: Number(toBigInt(tensor.segment.end ?? 0)) - offset };
}

/** Which typed field holds the values of a type. */
function expectedField(dtype: DType): Field {
  switch (dtype) {
    case "f32":
      return "float_data";
    case "f64":
      return "double_data";
    case "i64":
      return "int64_data";
    case "u64":
    case "u32":
      return "uint64_data";
    default:
      return "int32_data";
  }
}

function packField(
  tensor: TensorProto,
  field: Field | null,
  dtype: DType,
  count: number,
  place: string,
): Uint8Array<ArrayBuffer> {
  const expected = expectedField(dtype);
  if (field !== expected) {
    throw badTensor(place, "the tensor's values are not in the field of its type", {
      expected: `raw_data or ${expected} for ${dtype}`,
      found: field ?? "no values",
    });
  }
  // Sub-byte values are packed into bytes, low bits first, and each int32 entry holds one such byte.
  const subByte = DTYPE_BITS[dtype] < 8;
  const entries = subByte ? byteLength(dtype, count) : count;
  const found = lengthOf(tensor, expected);
  if (found !== entries) {
    throw badTensor(place, `${expected} has another length than the tensor's shape takes`, {
      expected: `${entries} values`,
      found: `${found} values`,
    });
  }
  switch (expected) {
    case "float_data":
      return bytesOf(Float32Array.from(tensor.floatData ?? []));
    case "double_data":
      return bytesOf(Float64Array.from(tensor.doubleData ?? []));
    case "int64_data":
      return bytesOf(BigInt64Array.from((tensor.int64Data ?? []).map(toBigInt)));
    case "uint64_data": {
      const values = (tensor.uint64Data ?? []).map(toBigInt);
      if (dtype === "u64") return bytesOf(BigUint64Array.from(values));
      for (const v of values) checkRange(Number(v), 0, 2 ** 32 - 1, place);
      return bytesOf(Uint32Array.from(values, Number));
    }
    default:
      return packInt32(tensor.int32Data ?? [], dtype, place);
  }
}

function lengthOf(tensor: TensorProto, field: Field): number {
  switch (field) {
    case "float_data":
      return tensor.floatData?.length ?? 0;
    case "double_data":
      return tensor.doubleData?.length ?? 0;
    case "int64_data":
      return tensor.int64Data?.length ?? 0;
    case "uint64_data":
      return tensor.uint64Data?.length ?? 0;
    default:
      return tensor.int32Data?.length ?? 0;
  }
}

function packInt32(values: readonly number[], dtype: DType, place: string): Uint8Array<ArrayBuffer> {
  if (dtype === "i32") return bytesOf(Int32Array.from(values));
  const signed = dtype === "i8" || dtype === "i16";
  const bits = Math.max(8, DTYPE_BITS[dtype]);
  const low = signed ? -(2 ** (bits - 1)) : 0;
  // A packed byte of signed nibbles is written either as 0..255 or sign-extended.
  const floor = dtype === "i4" || dtype === "i2" ? -128 : low;
  const high = dtype === "bool" ? 1 : signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  for (const v of values) checkRange(v, floor, high, place);
  return bits === 16 ? bytesOf(Uint16Array.from(values)) : Uint8Array.from(values);
}

function checkRange(value: number, low: number, high: number, place: string): void {
  if (value >= low && value <= high) return;
  throw badTensor(place, "a value of the tensor is out of range for its type", {
    expected: `${low} to ${high}`,
    found: `${value}`,
  });
}

function bytesOf(array: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
