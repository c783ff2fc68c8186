import { type KernelSignature, rowArg, wholeArg } from "../signature.js";

/**
 * out[T, H·D] = softmax(scale · q · kᵀ) · v per head, over all `keys` rows of k and v.
 * `headDim` is a multiple of 4. Scalar: keys.
 */
export interface AttentionParams {
  readonly heads: number;
  readonly headDim: number;
  readonly scale: number;
}

export function attentionSignature(_params: AttentionParams): KernelSignature {
  return {
    args: [rowArg("q", "f32"), wholeArg("k", "f32"), wholeArg("v", "f32"), rowArg("out", "f32", "write")],
    scalars: ["u32"],
  };
}
