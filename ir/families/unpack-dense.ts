import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { size, type ValuesOf, word } from "./contract/params.js";
import { denseLayout } from "./dense-gemm.js";

const params = { n: size, k: size, source: word("f32", "f16", "bf16") };
export type UnpackDenseParams = ValuesOf<typeof params>;

/** Bytes of [n, k] in `source` → f32 in the layout that the target's dense-gemm of the same n and k reads. rows = n. */
export const unpackDense = defineFamily({
  params,
  args: (p) => [
    wholeArg("source", "u8", p.n * p.k * (p.source === "f32" ? 4 : 2)),
    weightsArg("f32", denseLayout(p), "write"),
  ],
  grid: () => ["rows", 1, 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});

export const unpackDenseSignature = unpackDense.signature;
