import { quantizedArgs, rowArg, vectorArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { real, size, type ValuesOf } from "./contract/params.js";
import { cudaSharedRows, watScratchRows, wgslRow, wgslSubgroupRow } from "./launch/row-forms.js";

const params = { c: size, epsilon: real };
export type AdalnQuantizeParams = ValuesOf<typeof params>;

/** adaln, then quantize-rows of its result, without the result in memory. */
export const adalnQuantize = defineFamily({
  params,
  forms: {
    wat: { "adaln-quantize": watScratchRows<AdalnQuantizeParams>() },
    wgsl: { row: wgslRow<AdalnQuantizeParams>(), subgroup: wgslSubgroupRow<AdalnQuantizeParams>(true) },
    cuda: { row: cudaSharedRows<AdalnQuantizeParams>() },
  },
  args: ({ c }) => [
    rowArg("x", "f32", c),
    vectorArg("shift", c),
    vectorArg("scale", c),
    ...quantizedArgs(c, "write"),
  ],
  // adaln's 9, and quantize: magnitude and maximum 2, scale and round 2, sum 1
  operations: perResult(14),
});
