import type { Constant } from "../../ir/constant/constant.js";
import type { DType } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { elementsOf } from "../rewrite/values.js";

/** An i64 vector: axes, shapes, starts. */
export function i64Constant(values: readonly bigint[]): Constant {
  const bytes = new Uint8Array(BigInt64Array.from(values).buffer);
  return { dtype: "i64", shape: [values.length], source: { kind: "inline", bytes } };
}

/** An f32 vector. */
export function f32Constant(values: readonly number[]): Constant {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { dtype: "f32", shape: [values.length], source: { kind: "inline", bytes } };
}

/** A scalar of any dtype. */
export function scalarConstant(value: number, dtype: DType): Constant {
  return { dtype, shape: [], source: { kind: "fill", value } };
}

/** The same values in another shape. */
export function reshapeConstant(constant: Constant, shape: readonly number[]): Constant {
  if (countOf(shape) !== countOf(constant.shape)) throw new Error("a reshape keeps the number of elements");
  return { dtype: constant.dtype, shape, source: { kind: "reshape", of: constant } };
}

/**
 * The value of a one-element constant, or undefined if it is not inline.
 * 64-bit integers are rounded to the nearest number.
 */
export function inlineScalar(constant: Constant): number | undefined {
  if (constant.source.kind === "fill") return constant.source.value;
  if (constant.source.kind !== "inline" || countOf(constant.shape) !== 1) return undefined;
  return elementsOf(constant)?.[0];
}
