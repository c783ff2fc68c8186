import { type FloatStorage, type KernelSignature, rowArg, wholeArg } from "../signature.js";

/**
 * out[T, H·D] = softmax(scale · q · kᵀ) · v per head, over all `keys` rows of k and v.
 * `headDim` is a multiple of 4. Scalar: keys.
 */
export interface AttentionParams {
  readonly heads: number;
  readonly headDim: number;
  readonly scale: number;
  /** What q, k, v and out are stored in; f32 if absent. */
  readonly storage?: FloatStorage;
  /** Queries and keys are quantized to int8 on the way, a scale per block of rows (bf16 storage only). */
  readonly int8?: boolean;
}

export function attentionSignature({ storage = "f32" }: AttentionParams): KernelSignature {
  return {
    args: [
      rowArg("q", storage),
      wholeArg("k", storage),
      wholeArg("v", storage),
      rowArg("out", storage, "write"),
    ],
    scalars: ["u32"],
  };
}
