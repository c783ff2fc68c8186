import { rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { size, type ValuesOf } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { form, threads } from "./launch/form.js";

const params = {
  c: size,
  /** So many parts of the rows, one behind the other. */
  parts: size,
};
export type ChannelMomentsParams = ValuesOf<typeof params>;

/** Parts for pictures: enough for every device, and few to sum up. */
export const MOMENT_PARTS = 256;

const moments = form<ChannelMomentsParams>();

/** Channels of a block, and the rows that it takes at a time. */
const STRIP = { dimensions: { channels: [32], rows: [8] } } as const;
/** The same on GPUs that run CUDA: more threads of a channel where there are few parts. */
const CUDA_STRIP = { dimensions: { channels: [32], rows: [4, 8, 16, 32] } } as const;

/**
 * For each part of the rows and each channel: the mean of its entries, and the sum of their squared distances from it. Part p
 * has the rows from p·s to (p + 1)·s, s = ceil(R / parts), as far as there are any; a part without rows gives zeros.
 * Scalars: the rows R of x, and the first row of the launch. Rows of the launch are parts; out holds `c` means, then `c` sums.
 */
export const channelMoments = defineFamily({
  params,
  forms: {
    wat: {
      /** Sums in f64. */
      moments: moments({
        dimensions: { channels: [16], rows: [64] },
        launch: (_, { channels }) => ({ tile: [channels, 1, 1], sharedBytes: channels * 16 }),
      }),
    },
    wgsl: {
      strip: moments({
        ...STRIP,
        launch: (_, { channels, rows }) => ({
          workgroup: [channels, rows, 1],
          tile: [channels, 1, 1],
          sharedBytes: channels * rows * 12,
        }),
      }),
    },
    cuda: {
      strip: moments({
        ...CUDA_STRIP,
        needs: () => ["sm_70"],
        launch: (_, { channels, rows }) => ({
          workgroup: threads(channels * rows),
          tile: [channels, 1, 1],
        }),
        rounding: (_, { rows }) => `${rows} threads add a channel`,
      }),
    },
  },
  args: ({ c, parts }) => [
    {
      ...tableArg("x", "f32", scalar(0), c),
      window({ first, rows }, { scalars: [all = 0] }) {
        const size = Math.ceil(all / parts);
        const begin = Math.min(first * size, all);
        return { first: begin, rows: Math.min((first + rows) * size, all) - begin };
      },
    },
    rowArg("out", "f32", 2 * c, "write"),
  ],
  scalars: () => ["u32", "row"],
  rows: ({ parts }) => parts,
  grid: ({ c }) => [c, "rows", 1],
  operations: ({ c }, { scalars: [rows = 0] }) => ({ f32: 4 * rows * c }),
});
