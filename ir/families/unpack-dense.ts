import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { type ValuesOf, word } from "./contract/params.js";
import { denseLayout, denseMatrix } from "./contract/weights.js";
import { form, threads } from "./launch/form.js";

const params = { ...denseMatrix, source: word("f32", "f16", "bf16") };
export type UnpackDenseParams = ValuesOf<typeof params>;

const dense = form<UnpackDenseParams>();

/** Bytes of [n, k] in `source` → f32 in the layout that the target's dense-gemm of the same n and k reads. rows = n. */
export const unpackDense = defineFamily({
  params,
  forms: {
    wat: {
      unpack: dense({
        /** A panel of the layout of the weights. */
        dimensions: { channels: [8] },
        launch: (_, { channels }) => ({ tile: [channels, 1, 1] }),
      }),
    },
    wgsl: {
      vectors: dense({
        /** Divides every padded column count, so that a grid over n columns reaches the padding too. */
        dimensions: { threads: [64] },
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.threads, 1, 1] }),
      }),
    },
    cuda: {
      panels: dense({
        /** 64 bytes of a row of a panel. */
        dimensions: { threads: [256], columns: [16] },
        needs: () => ["sm_70"],
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.columns, 1, 1] }),
      }),
    },
  },
  args: (p) => [
    wholeArg("source", "u8", p.n * p.k * (p.source === "f32" ? 4 : 2)),
    weightsArg("f32", denseLayout(p), "write"),
  ],
  grid: () => ["rows", 1, 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});
