import { STORED_CODES } from "../../ternary/storage.js";
import { TERNARY_BLOCKS } from "../contract/blocks.js";
import type { UnpackDenseParams } from "../unpack-dense.js";
import type { UnpackTritsParams } from "../unpack-trits.js";
import { form, threads } from "./form.js";

const trits = form<UnpackTritsParams>();
const dense = form<UnpackDenseParams>();

/** Invocations that divide every padded column count, so that a grid over n columns reaches the padding too. */
const WGSL = { threads: [64] } as const;

export const unpackTritsForms = {
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
      dimensions: WGSL,
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
} as const;

export const unpackDenseForms = {
  wat: {
    unpack: dense({
      /** A panel of the layout of the weights. */
      dimensions: { channels: [8] },
      launch: (_, { channels }) => ({ tile: [channels, 1, 1] }),
    }),
  },
  wgsl: {
    vectors: dense({
      dimensions: WGSL,
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
} as const;
