import { HELD } from "../ops/held.js";
import { type FamilyArg, rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { storedRowBytes } from "./contract/narrow.js";
import { perResult } from "./contract/operations.js";
import { optional, size, type ValuesOf, word } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { cudaTileRows, watRows, wgslRow } from "./launch/row-forms.js";

const params = {
  c: size,
  /** What the table is held in: rows of bf16, or blocks of codes behind their scale; 32-bit elements if absent. */
  held: optional(word(...HELD)),
};
export type GatherParams = ValuesOf<typeof params>;

/** Rows of codes are whole groups. */
function broken({ held, c }: GatherParams): string | undefined {
  return held === undefined || storedRowBytes(held, c) !== undefined
    ? undefined
    : `rows of ${c} elements, which are no whole groups of codes`;
}

/** The table as it is held. */
function table({ c, held }: GatherParams): FamilyArg {
  if (held === undefined) return tableArg("table", "f32", scalar(0), c);
  if (held === "bf16") return tableArg("table", "bf16", scalar(0), c);
  return tableArg("table", "u8", scalar(0), storedRowBytes(held, c) ?? Number.NaN);
}

/**
 * out[m] = table[indices[m]], rows of `c` 32-bit elements, as floats where the table is held in less. A negative index counts from the end. Scalar: the rows
 * R of the table, within which indices are clamped.
 */
export const gather = defineFamily({
  params,
  forms: {
    wat: { gather: watRows<GatherParams>(broken) },
    wgsl: { rows: wgslRow<GatherParams>(broken) },
    cuda: { rows: cudaTileRows<GatherParams>(({ c }) => c, broken) },
  },
  args: (all) => [table(all), rowArg("indices", "i32", 1), rowArg("out", "f32", all.c, "write")],
  scalars: () => ["u32"],
  operations: perResult(0),
});
