import type { SinusoidFrequencies } from "../ops/frequencies.js";
import { type KernelSignature, rowArg } from "./contract/arguments.js";

/** t[M] → out[M, dim]: cos and sin of factor·t·frequency j, j < dim/2; cos first unless sinFirst. */
export interface TimestepEmbeddingParams extends SinusoidFrequencies {
  readonly sinFirst: boolean;
}

export function timestepEmbeddingSignature(_params: TimestepEmbeddingParams): KernelSignature {
  return { args: [rowArg("t", "f32"), rowArg("out", "f32", "write")], scalars: [] };
}
