import type { ScalarType } from "../program/program.js";
import { type KernelSignature, wholeArg } from "./contract/arguments.js";

/**
 * out[batch, m, n] = a[batch, m, k] · b[batch, k, n] in f32, all sizes and strides at run time. Row strides of the
 * arguments are ignored; rows = batch·m. Scalars: batch, m, n, k, strides of a (batch, row, column), of b (batch,
 * row, column) and of out (batch, row), in elements; out columns are contiguous. Grid: n, m, batch.
 */
export type MatmulParams = Readonly<Record<never, never>>;

export function matmulSignature(_params: MatmulParams): KernelSignature {
  return {
    args: [wholeArg("a", "f32"), wholeArg("b", "f32"), wholeArg("out", "f32", "write")],
    scalars: new Array<ScalarType>(12).fill("u32"),
  };
}
