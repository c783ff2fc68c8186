import { weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import {
  type NarrowLayout,
  narrowLayout,
  narrowMatrix,
  PER_WORD,
  SCALED,
  storedRowBytes,
} from "./contract/narrow.js";
import { perResult } from "./contract/operations.js";
import { form, threads } from "./launch/form.js";

export type UnpackNarrowParams = NarrowLayout;

const narrow = form<UnpackNarrowParams>();

/** Parts of a row that are unpacked at a time: the elements that share a scale. */
export function narrowParts({ k }: Pick<UnpackNarrowParams, "k">): number {
  return Math.ceil(k / SCALED);
}

function broken({ k, held }: UnpackNarrowParams): string | undefined {
  return storedRowBytes(held, k) === undefined
    ? `rows of ${k} elements, which are no whole groups of ${SCALED}`
    : undefined;
}

/**
 * Stored rows of [n, k], bf16 or blocks of codes behind their scale → words and scales in the layout that the target's
 * dense-gemm reads. rows = n.
 */
export const unpackNarrow = defineFamily({
  params: narrowMatrix,
  forms: {
    wat: {
      unpack: narrow({
        /** A panel of the layout of the weights. */
        dimensions: { channels: [8] },
        refuses: broken,
        launch: (params, { channels }) => ({ tile: [channels, narrowParts(params), 1] }),
      }),
    },
    wgsl: {
      words: narrow({
        /** Divides every padded column count, so that a grid over n columns reaches the padding too. */
        dimensions: { threads: [64] },
        refuses: broken,
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.threads, 1, 1] }),
      }),
    },
    cuda: {
      words: narrow({
        /** A panel of columns. */
        dimensions: { threads: [64] },
        needs: () => ["sm_70"],
        refuses: broken,
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [config.threads, 1, 1] }),
      }),
    },
  },
  args: (p) => [
    wholeArg("source", "u8", p.n * (storedRowBytes(p.held, p.k) ?? Number.NaN)),
    weightsArg("u32", narrowLayout(p), "write"),
  ],
  grid: (p) => ["rows", narrowParts(p), 1],
  rows: ({ n }) => n,
  operations: perResult(0),
});

/** What templates take. */
export function narrowValues(params: UnpackNarrowParams) {
  const { n, k, held } = params;
  return {
    n,
    k,
    held,
    perWord: PER_WORD[held],
    rowBytes: storedRowBytes(held, k) ?? Number.NaN,
    words: Math.ceil(k / PER_WORD[held]),
  };
}
