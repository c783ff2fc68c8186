import { type FloatStorage, type KernelSignature, rowArg, wholeArg } from "./contract/arguments.js";

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
  /**
   * Scores may come from int8 codes of q and k, made on the way with a scale per row (bf16 storage only): of scores with
   * a standard deviation of 1 that is some 0.7% in the output, beside 0.2% from bf16.
   */
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
