import { type QuantizeRowsParams, quantizeRowsSignature, rowParts } from "../../ir/families/quantize-rows.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { checkScratchRow, defineWat, rowTile, watArgs } from "../wat/define.js";

/** Values of `quantize-rows/row.wat.hbs`: how a row of c channels divides into groups of 16 and vectors of 4. */
export function quantizeValues(c: number): TemplateValues {
  const left = c % 16;
  const kinds = [0, 1, 2, 3].map((j) => (4 * j + 4 <= left ? "whole" : 4 * j < left ? "partial" : "zero"));
  return { c, tail: c % 4, groups: (c - left) / 16, rest: left === 0 ? [] : kinds };
}

export function quantizeRowsWat(params: QuantizeRowsParams): KernelDefinition {
  const { c, parts } = params;
  const signature = quantizeRowsSignature(params);
  const tileM = rowTile(c);
  const tile = [1, tileM, 1] as const;
  const values = { args: watArgs(signature), ...quantizeValues(c), tileM };
  if (parts === undefined) {
    const template = "quantize-rows/quantize-rows.wat.hbs";
    return defineWat("quantize-rows", params, signature, { template, values, tile });
  }
  checkScratchRow("quantize-rows", c);
  const bytes = rowParts(c, parts).map(({ name, start, length }) => ({
    name,
    at: 4 * start,
    bytes: 4 * length,
  }));
  const template = "quantize-rows/parts.wat.hbs";
  return defineWat("quantize-rows", params, signature, {
    template,
    values: { ...values, parts: bytes },
    tile,
  });
}
