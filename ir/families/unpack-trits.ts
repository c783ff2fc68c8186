import { codeRowBytes, STORED_CODES, type TernaryStorage } from "../ternary/storage.js";
import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { optional, type ValuesOf, word } from "./contract/params.js";
import { TERNARY_BLOCKS, ternaryLayout, ternaryMatrix } from "./contract/weights.js";
import { form, threads } from "./launch/form.js";

const params = {
  ...ternaryMatrix,
  /** Stored as four 2-bit codes a byte; five trits a byte (base 3) if absent. */
  storage: optional(word("2bit")),
};
export type UnpackTritsParams = ValuesOf<typeof params>;

const trits = form<UnpackTritsParams>();

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
  forms: {
    wat: {
      unpack: trits({
        /** A block of the layout of the weights. */
        dimensions: { channels: [4, 8] },
        refuses: ({ activations }, { channels }) =>
          channels === TERNARY_BLOCKS.wat[activations === "i8" ? "i8" : "float"].channels
            ? undefined
            : `${channels} channels are no block of the weights`,
        launch: (_, { channels }) => ({ tile: [channels, 1, 1] }),
      }),
    },
    wgsl: {
      words: trits({
        /** Divides every padded column count, so that a grid over n columns reaches the padding too. */
        dimensions: { threads: [64] },
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.threads, 1, 1] }),
      }),
    },
    cuda: {
      fragments: trits({
        /** Channels of a matrix fragment. */
        dimensions: { channels: [16] },
        needs: () => ["sm_70"],
        // A warp for each block of 128 k that 128 stored bytes hold.
        launch: ({ storage }, { channels }) => ({
          workgroup: threads(32 * STORED_CODES[storage ?? "trits"].perByte),
          tile: [channels, 1, 1],
        }),
      }),
    },
  },
  args: (p) => [
    wholeArg("trits", "u8", p.n * storedValues(p).rowBytes),
    weightsArg("u32", ternaryLayout(p), "write"),
  ],
  grid: () => ["rows", 1, 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});
