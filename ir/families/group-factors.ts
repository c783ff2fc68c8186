import { rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { real, size, type ValuesOf } from "./contract/params.js";
import { form, threads } from "./launch/form.js";

const params = {
  groups: size,
  /** Channels of a group. */
  channels: size,
  /** Parts of the rows, as channel-moments has them. */
  parts: size,
  epsilon: real,
};
export type GroupFactorsParams = ValuesOf<typeof params>;

const factors = form<GroupFactorsParams>();

/**
 * From moments of parts those of whole groups of channels, and from them what normalizes: for each channel the mean of its
 * group, and scale / sqrt(variance of its group + epsilon). A row of the launch is a group. Scalar: the rows that the
 * parts are of.
 */
export const groupFactors = defineFamily({
  params,
  forms: {
    wat: {
      /** Sums in f64. */
      factors: factors({ dimensions: {}, launch: () => ({ tile: [1, 1, 1] }) }),
    },
    wgsl: {
      group: factors({
        dimensions: { threads: [64] },
        launch: (_, config) => ({
          workgroup: threads(config.threads),
          tile: [1, 1, 1],
          sharedBytes: (config.threads + 8) * 4,
        }),
      }),
    },
    cuda: {
      /** Sums in f64. */
      group: factors({
        dimensions: { threads: [64, 128, 256, 512] },
        needs: () => ["sm_70"],
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [1, 1, 1] }),
        rounding: (_, config) => `${config.threads} threads add a group`,
      }),
    },
  },
  args: ({ groups, channels, parts }) => [
    tableArg("moments", "f32", parts, 2 * groups * channels),
    rowArg("scale", "f32", channels),
    rowArg("mean", "f32", channels, "write"),
    rowArg("factor", "f32", channels, "write"),
  ],
  scalars: () => ["u32"],
  rows: ({ groups }) => groups,
  operations: ({ groups, channels, parts }) => ({ f32: 6 * groups * channels * parts }),
});
