import { type Dim, elementCount, mulDims, type Shape } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import type { DeviceDType, LaunchArg } from "../../ir/program/program.js";

/**
 * A value as a kernel sees it: rows of its last axis in a buffer, `rowStride` elements apart. Earlier axes
 * follow each other in row-major order, so any value is `rowsOf` rows of `columnsOf` elements.
 */
export interface Operand {
  readonly buffer: string;
  readonly dtype: DeviceDType;
  readonly shape: Shape;
  /** Elements from the buffer's start to the first element. */
  readonly offset: Dim;
  readonly rowStride: Dim;
  /** Elements from one sampling step's value to the next one's, where `step` reads a value of all steps. */
  readonly stepStride: Dim;
}

/** What a value of the graph is computed in: 64-bit and short integers as 32-bit ones, all floats as f32. */
export function deviceDType(dtype: DType): "f32" | "i32" | "u32" {
  switch (dtype) {
    case "f64":
    case "f32":
    case "f16":
    case "bf16":
    case "f8e4m3":
    case "f8e5m2":
      return "f32";
    case "u64":
    case "u32":
    case "u16":
    case "u8":
    case "u4":
    case "u2":
    case "bool":
      return "u32";
    case "i64":
    case "i32":
    case "i16":
    case "i8":
    case "i4":
    case "i2":
      return "i32";
  }
}

/** How a kernel finds an operand of floats stored; throws a RangeError for others. */
export function storageOf(operand: Operand): FloatStorage {
  if (operand.dtype === "f32" || operand.dtype === "bf16") return operand.dtype;
  throw new RangeError(`${operand.dtype} where floats are needed`);
}

/** A parameter of kernels that may store bf16; absent for f32. */
export function stored<K extends string>(name: K, operand: Operand): { readonly [N in K]?: FloatStorage } {
  const storage = storageOf(operand);
  return storage === "f32" ? {} : ({ [name]: storage } as { readonly [N in K]?: FloatStorage });
}

/** Elements of the last axis; 1 for a scalar. */
export function columnsOf(shape: Shape): Dim {
  return shape.at(-1) ?? 1;
}

/** The product of all axes but the last. */
export function rowsOf(shape: Shape): Dim {
  return elementCount(shape.slice(0, -1));
}

/** Whether the elements follow each other without gaps. */
export function isContiguous(operand: Operand): boolean {
  return operand.rowStride === columnsOf(operand.shape) || rowsOf(operand.shape) === 1;
}

/** Elements between neighbours along each axis. */
export function stridesOf(operand: Operand): readonly Dim[] {
  const { shape, rowStride } = operand;
  const strides = new Array<Dim>(shape.length).fill(1);
  let stride = rowStride;
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = stride;
    stride = mulDims(stride, shape[axis] ?? 1);
  }
  return strides;
}

/** A launch argument of rows. */
export function rowsArg(operand: Operand): LaunchArg {
  const { buffer, offset, rowStride, stepStride } = operand;
  return { buffer, offset, rowStride, stepStride };
}

/** A launch argument of one element per launch row: a contiguous value seen as a column. */
export function columnArg(operand: Operand): LaunchArg {
  return { ...rowsArg(operand), rowStride: 1 };
}

/** A launch argument whose row 0 serves every launch row. */
export function repeatedArg(operand: Operand): LaunchArg {
  return { ...rowsArg(operand), rowStride: 0 };
}
