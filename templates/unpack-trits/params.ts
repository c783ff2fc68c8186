import { type KernelSignature, wholeArg } from "../signature.js";
import type { TernaryLayout } from "../ternary-gemm/params.js";

/**
 * Five trits a byte (base 3, each row padded to whole bytes) → 2-bit codes u = t + 1 in the layout that the
 * target's ternary-gemm of the same n, k and activations reads. rows = n.
 */
export type UnpackTritsParams = TernaryLayout;

export function unpackTritsSignature(_params: UnpackTritsParams): KernelSignature {
  return { args: [wholeArg("trits", "u8"), wholeArg("weights", "u32", "write")], scalars: [] };
}
