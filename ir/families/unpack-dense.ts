import { type KernelSignature, wholeArg } from "./contract/arguments.js";
import type { DenseLayout } from "./dense-gemm.js";

/** Bytes of [n, k] in `source` → f32 in the layout that the target's dense-gemm of the same n and k reads. rows = n. */
export interface UnpackDenseParams extends DenseLayout {
  readonly source: "f32" | "f16" | "bf16";
}

export function unpackDenseSignature(_params: UnpackDenseParams): KernelSignature {
  return { args: [wholeArg("source", "u8"), wholeArg("weights", "f32", "write")], scalars: [] };
}
