import { type Bindings, evaluateDim, type Shape, symbolsOf } from "../../ir/dim.js";
import { byteLength, type DType } from "../../ir/dtype.js";

/** Bytes of a tensor when its symbols have these sizes; symbols without one count as 1. */
export function largestBytes(dtype: DType, shape: Shape, sizes: Bindings): number {
  return byteLength(
    dtype,
    shape.reduce<number>((product, dim) => product * sizeOf(dim, sizes), 1),
  );
}

/** A dimension as a number, with 1 for symbols without a size. */
export function sizeOf(dim: Shape[number], sizes: Bindings): number {
  if (typeof dim === "number") return dim;
  const known = symbolsOf(dim).map((name) => [name, Object.hasOwn(sizes, name) ? (sizes[name] ?? 1) : 1]);
  return evaluateDim(dim, Object.fromEntries(known));
}
