import type { ReduceFn } from "../ops/index.js";
import { type KernelSignature, rowArg } from "./contract/arguments.js";

/** x[M, c] → out[M], reduced over the row. Scalar: c, so that a reduction over tokens is one kernel too. */
export interface ReduceParams {
  readonly fn: ReduceFn;
}

export function reduceSignature(_params: ReduceParams): KernelSignature {
  return { args: [rowArg("x", "f32"), rowArg("out", "f32", "write")], scalars: ["u32"] };
}
