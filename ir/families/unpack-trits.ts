import { codeRowBytes, STORED_CODES, type TernaryStorage } from "../ternary/storage.js";
import { type KernelSignature, wholeArg } from "./contract/arguments.js";
import type { TernaryLayout } from "./ternary-gemm.js";

/**
 * Stored codes, each row padded to whole bytes → 2-bit codes u = t + 1 in the layout that the target's ternary-gemm
 * of the same n, k and activations reads. rows = n.
 */
export interface UnpackTritsParams extends TernaryLayout {
  /** Stored as four 2-bit codes a byte; five trits a byte (base 3) if absent. */
  readonly storage?: "2bit";
}

/** Values that templates take: codes u of a stored byte are its digits in `base`, the lowest first. */
export function storedValues(params: UnpackTritsParams) {
  const storage: TernaryStorage = params.storage ?? "trits";
  return { ...STORED_CODES[storage], rowBytes: codeRowBytes(storage, params.k) };
}

export function unpackTritsSignature(_params: UnpackTritsParams): KernelSignature {
  return { args: [wholeArg("trits", "u8"), wholeArg("weights", "u32", "write")], scalars: [] };
}
