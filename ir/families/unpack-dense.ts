import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, optional, type ValuesOf, word } from "./contract/params.js";
import { denseLayout, denseMatrix, WINOGRAD, winogradLayout } from "./contract/weights.js";
import { form, threads } from "./launch/form.js";

const params = {
  ...denseMatrix,
  source: word("f32", "f16", "bf16"),
  /** Filters of 3 by 3 pixels, in the form that image-conv multiplies by Winograd's method. */
  winograd: optional(flag),
};
export type UnpackDenseParams = ValuesOf<typeof params>;

const dense = form<UnpackDenseParams>();

const plain = ({ winograd }: UnpackDenseParams) =>
  winograd === true ? "it leaves filters as they are" : undefined;

/**
 * Bytes of [n, k] in `source` → f32 in the layout that the target's dense-gemm of the same n and k reads, or its image-conv.
 * rows = n.
 */
export const unpackDense = defineFamily({
  params,
  forms: {
    wat: {
      unpack: dense({
        /** A panel of the layout of the weights. */
        dimensions: { channels: [8] },
        refuses: plain,
        launch: (_, { channels }) => ({ tile: [channels, 1, 1] }),
      }),
      winograd: dense({
        dimensions: { channels: [8] },
        refuses: ({ k, winograd }) =>
          winograd === true && k % (WINOGRAD.taps * WINOGRAD.channels) === 0
            ? undefined
            : "it takes filters of 3 by 3 pixels and multiples of 32 channels",
        launch: (_, { channels }) => ({ tile: [channels, 1, 1], sharedBytes: 512 }),
      }),
    },
    wgsl: {
      vectors: dense({
        /** Divides every padded column count, so that a grid over n columns reaches the padding too. */
        dimensions: { threads: [64] },
        refuses: plain,
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.threads, 1, 1] }),
      }),
    },
    cuda: {
      panels: dense({
        /** 64 bytes of a row of a panel. */
        dimensions: { threads: [256], columns: [16] },
        needs: () => ["sm_70"],
        refuses: plain,
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.columns, 1, 1] }),
      }),
    },
  },
  args: (p) => [
    wholeArg("source", "u8", p.n * p.k * (p.source === "f32" ? 4 : 2)),
    weightsArg("f32", p.winograd === true ? winogradLayout(p) : denseLayout(p), "write"),
  ],
  grid: () => ["rows", 1, 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});
