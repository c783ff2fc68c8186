import { type KernelSignature, rowArg, wholeArg } from "./contract/arguments.js";

/**
 * out[m] = table[indices[m]], rows of `c` 32-bit elements. A negative index counts from the end. Scalar: the rows
 * R of the table, within which indices are clamped.
 */
export interface GatherParams {
  readonly c: number;
}

export function gatherSignature(_params: GatherParams): KernelSignature {
  return {
    args: [wholeArg("table", "f32"), rowArg("indices", "i32"), rowArg("out", "f32", "write")],
    scalars: ["u32"],
  };
}
