import { rowArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { size, type ValuesOf, word } from "./contract/params.js";
import { form, threads } from "./launch/form.js";
import { watRows } from "./launch/row-forms.js";

const params = { c: size, activation: word("none", "silu") };
export type GroupNormParams = ValuesOf<typeof params>;

const norm = form<GroupNormParams>();

/** Neighbouring elements of all rows, some for each thread. */
const SPREAD = { dimensions: { threads: [256], rows: [8] } } as const;
const CUDA_SPREAD = { dimensions: { threads: [128, 256, 512], rows: [4, 8, 16, 32] } } as const;

/** out = activation((x − mean)·factor + bias) over rows of `c` channels, with what group-factors gives of all rows. */
export const groupNorm = defineFamily({
  params,
  forms: {
    wat: { "group-norm": watRows<GroupNormParams>() },
    wgsl: {
      rows: norm({
        ...SPREAD,
        launch: (_, config) => ({ workgroup: threads(config.threads), tile: [1, config.rows, 1] }),
      }),
    },
    cuda: {
      rows: norm({
        ...CUDA_SPREAD,
        needs: () => ["sm_70"],
        launch: (_, config) => ({
          workgroup: threads(config.threads),
          tile: [1, config.rows, 1],
          persistent: true,
        }),
      }),
    },
  },
  args: ({ c }) => [
    rowArg("x", "f32", c),
    wholeArg("mean", "f32", c),
    wholeArg("factor", "f32", c),
    wholeArg("bias", "f32", c),
    rowArg("out", "f32", c, "write"),
  ],
  // difference, product, sum, and an exponential with its quotient
  operations: perResult(6),
});
