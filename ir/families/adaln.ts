import { rowArg, vectorArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { floats, optional, real, size, type ValuesOf } from "./contract/params.js";
import { cudaSharedRows, watRows, wgslRow, wgslSubgroupRow } from "./launch/row-forms.js";

const params = {
  c: size,
  epsilon: real,
  /** What `out` is stored in; f32 if absent. */
  out: optional(floats),
};
export type AdalnParams = ValuesOf<typeof params>;

/** out = (x − mean)·rsqrt(variance + epsilon)·(1 + scale) + shift over rows of `c` channels. */
export const adaln = defineFamily({
  params,
  forms: {
    wat: { adaln: watRows<AdalnParams>() },
    wgsl: { row: wgslRow<AdalnParams>(), subgroup: wgslSubgroupRow<AdalnParams>(true) },
    cuda: { row: cudaSharedRows<AdalnParams>() },
  },
  args: ({ c, out = "f32" }) => [
    rowArg("x", "f32", c),
    vectorArg("shift", c),
    vectorArg("scale", c),
    rowArg("out", out, c, "write"),
  ],
  // mean 1, variance 3, normalize 2, modulate 3
  operations: perResult(9),
});
