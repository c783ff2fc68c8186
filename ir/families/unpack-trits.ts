import { codeRowBytes, STORED_CODES, type TernaryStorage } from "../ternary/storage.js";
import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { optional, size, type ValuesOf, word } from "./contract/params.js";
import { multiplied, ternaryLayout } from "./ternary-gemm.js";

const params = {
  n: size,
  k: size,
  activations: multiplied,
  /** Stored as four 2-bit codes a byte; five trits a byte (base 3) if absent. */
  storage: optional(word("2bit")),
};
export type UnpackTritsParams = ValuesOf<typeof params>;

/** Values that templates take: codes u of a stored byte are its digits in `base`, the lowest first. */
export function storedValues(params: UnpackTritsParams) {
  const storage: TernaryStorage = params.storage ?? "trits";
  return { ...STORED_CODES[storage], rowBytes: codeRowBytes(storage, params.k) };
}

/**
 * Stored codes, each row padded to whole bytes → 2-bit codes u = t + 1 in the layout that the target's ternary-gemm
 * of the same n, k and activations reads. rows = n.
 */
export const unpackTrits = defineFamily({
  params,
  args: (p) => [
    wholeArg("trits", "u8", p.n * storedValues(p).rowBytes),
    weightsArg("u32", ternaryLayout(p), "write"),
  ],
  grid: () => ["rows", 1, 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});

export const unpackTritsSignature = unpackTrits.signature;
