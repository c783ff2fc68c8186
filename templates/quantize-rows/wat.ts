import { quantizeRows, rowParts } from "../../ir/families/quantize-rows.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { rowTile } from "../wat/rows.js";
import { CALL, watStreams } from "../wat/streams.js";
import { watArgs } from "../wat/values.js";

export const quantizeRowsWat = kernelTemplates(quantizeRows.forms.wat, {
  configs({ params }) {
    const rows = rowTile(params.c);
    return [
      { variant: "quantize-rows", rows },
      { variant: "parts", rows },
    ];
  },
  values: {
    "quantize-rows": ({ c }, { rows }, { signature }) => ({
      args: watArgs(signature),
      ...quantizeValues(c),
      tileM: rows,
    }),
    parts: ({ c, parts = [] }, { rows }, { signature }) => ({
      args: watArgs(signature),
      ...quantizeValues(c),
      tileM: rows,
      parts: rowParts(c, parts).map(({ name, start, length }) => ({
        name,
        at: 4 * start,
        bytes: 4 * length,
      })),
    }),
  },
  cost: {
    "quantize-rows": watStreams(quantizeRows, () => ({ passes: 2, folds: 1, more: CALL + 7 })),
    parts: watStreams(quantizeRows, () => ({ passes: 3, folds: 1, more: CALL + 9 })),
  },
});

/** Values of `quantize-rows/row.wat.hbs`: how a row of c channels divides into groups of 16 and vectors of 4. */
export function quantizeValues(c: number): TemplateValues {
  const left = c % 16;
  const kinds = [0, 1, 2, 3].map((j) => (4 * j + 4 <= left ? "whole" : 4 * j < left ? "partial" : "zero"));
  return { c, tail: c % 4, groups: (c - left) / 16, rest: left === 0 ? [] : kinds };
}
