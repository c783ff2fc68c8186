import type { DType } from "./dtype.js";

/**
 * A dense tensor in memory, row-major. `data` holds one element per entry whatever the dtype:
 * floats of every width as Float32Array or Float64Array values, 64-bit integers as BigInt64Array or
 * BigUint64Array, smaller integers in the typed array of their width (4- and 2-bit ones in 8-bit entries),
 * bool as Uint8Array of 0 and 1. The dtype is what the value means; narrow floats are never kept as bits here.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Elements of a shape: the product of its sizes, 1 for a scalar. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, d) => product * d, 1);
}

/** An array for `count` elements of a dtype, all zero. Floats are f32 unless `wide`. */
export function allocate(dtype: DType, count: number, wide = false): TensorData {
  switch (dtype) {
    case "f64":
    case "f32":
    case "f16":
    case "bf16":
    case "f8e4m3":
    case "f8e5m2":
      return wide || dtype === "f64" ? new Float64Array(count) : new Float32Array(count);
    case "i64":
      return new BigInt64Array(count);
    case "u64":
      return new BigUint64Array(count);
    case "i32":
      return new Int32Array(count);
    case "u32":
      return new Uint32Array(count);
    case "i16":
      return new Int16Array(count);
    case "u16":
      return new Uint16Array(count);
    case "i8":
    case "i4":
    case "i2":
      return new Int8Array(count);
    case "u8":
    case "u4":
    case "u2":
    case "bool":
      return new Uint8Array(count);
  }
}
