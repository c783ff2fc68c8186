import { type KernelSignature, rowArg } from "./contract/arguments.js";

/** x[M, c] → softmax (or its logarithm) over each row. Scalar: c, which may be a token count. */
export interface SoftmaxParams {
  readonly log: boolean;
}

export function softmaxSignature(_params: SoftmaxParams): KernelSignature {
  return { args: [rowArg("x", "f32"), rowArg("out", "f32", "write")], scalars: ["u32"] };
}
