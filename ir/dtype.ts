/** Element types. The sub-byte integers and the 8-bit floats exist in constants only: nothing computes in them. */
export const DTYPES = [
  "f64",
  "f32",
  "f16",
  "bf16",
  "f8e4m3",
  "f8e5m2",
  "i64",
  "u64",
  "i32",
  "u32",
  "i16",
  "u16",
  "i8",
  "u8",
  "i4",
  "u4",
  "i2",
  "u2",
  "bool",
] as const;
export type DType = (typeof DTYPES)[number];

/** Storage bits of one element. */
export const DTYPE_BITS: Readonly<Record<DType, number>> = {
  f64: 64,
  f32: 32,
  f16: 16,
  bf16: 16,
  f8e4m3: 8,
  f8e5m2: 8,
  i64: 64,
  u64: 64,
  i32: 32,
  u32: 32,
  i16: 16,
  u16: 16,
  i8: 8,
  u8: 8,
  i4: 4,
  u4: 4,
  i2: 2,
  u2: 2,
  bool: 8,
};

export const FLOAT_DTYPES: ReadonlySet<DType> = new Set(["f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2"]);

/** Whether elements are floating-point numbers of any width. */
export function isFloat(dtype: DType): boolean {
  return FLOAT_DTYPES.has(dtype);
}

/** Bytes that `count` densely packed elements take. */
export function byteLength(dtype: DType, count: number): number {
  return Math.ceil((DTYPE_BITS[dtype] * count) / 8);
}
