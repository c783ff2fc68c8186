import { paddedK } from "../../ir/families/contract/arguments.js";
import { type QuantizeRowsParams, quantizeRowsSignature, rowParts } from "../../ir/families/quantize-rows.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function quantizeRowsWgsl(params: QuantizeRowsParams, target: Target): KernelDefinition {
  const { c, parts } = params;
  const signature = quantizeRowsSignature(params);
  const values = { c, words: paddedK(c) / 4 };
  if (parts === undefined) {
    const template = "quantize-rows/row.wgsl.hbs";
    return defineRowKernel({ family: "quantize-rows", params, signature, template, values }, target);
  }
  const placed = rowParts(c, parts);
  const last = placed.at(-1) ?? { name: "x0", start: 0 };
  const front = placed.slice(0, -1).map(({ name, start, length }) => ({ name, start, end: start + length }));
  return defineRowKernel(
    {
      family: "quantize-rows",
      params,
      signature,
      template: "quantize-rows/parts.wgsl.hbs",
      values: { ...values, front, last: last.name, start: last.start },
    },
    target,
  );
}
