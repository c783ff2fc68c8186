import { rowArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { listOf, nullable, real, size, type ValuesOf } from "./contract/params.js";
import { cudaTileRows, watRows, wgslRow } from "./launch/row-forms.js";

/** As `RopeFrequencies`. */
const params = { axesDims: listOf(size), theta: real, frequencies: nullable(listOf(real)) };
export type RopeTableParams = ValuesOf<typeof params>;

/** ids[T, axes] → cos, sin [T, D/2], D = Σ axesDims; angle = id·frequency of the channel pair, axes side by side. */
export const ropeTable = defineFamily({
  params,
  forms: {
    wat: { "rope-table": watRows<RopeTableParams>() },
    wgsl: { pairs: wgslRow<RopeTableParams>() },
    cuda: {
      pairs: cudaTileRows<RopeTableParams>(({ axesDims }) => 2 * axesDims.reduce((sum, dim) => sum + dim, 0)),
    },
  },
  args({ axesDims }) {
    const pairs = axesDims.reduce((sum, dim) => sum + dim, 0) / 2;
    return [
      rowArg("ids", "f32", axesDims.length),
      rowArg("cos", "f32", pairs, "write"),
      rowArg("sin", "f32", pairs, "write"),
    ];
  },
  // angle 2, function 1
  operations: perResult(3),
});
