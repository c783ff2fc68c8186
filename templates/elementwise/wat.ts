import { type ElementwiseParams, elementwiseSignature } from "../../ir/families/elementwise.js";
import { printExpression, typeOfExpression } from "../../ir/families/expression.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, scalarOffset, watArgs } from "../wat/define.js";
import { watExpression } from "./wat-expression.js";

const TILE = 4096;

export function elementwiseWat(params: ElementwiseParams): KernelDefinition {
  const { rank, inputs, output, expression } = params;
  const type = typeOfExpression(expression, inputs);
  if (type !== output) throw new RangeError(`${printExpression(expression)} is ${type}, not ${output}`);
  const signature = elementwiseSignature(params);
  const sizes = scalarOffset(signature);
  const strides = (operand: number) => sizes + 4 * rank * (1 + operand);
  return defineWat("elementwise", { ...params, expression: printExpression(expression) }, signature, {
    template: "elementwise/elementwise.wat.hbs",
    values: {
      args: watArgs(signature),
      inputs: inputs.map((_, i) => ({ name: `in${i}`, stride: strides(i) })),
      out: strides(inputs.length),
      sizes,
      axes: Array.from({ length: rank }, (_, axis) => axis),
      rank,
      ...watExpression(expression, inputs),
      tile: TILE,
    },
    tile: [TILE, 1, 1],
  });
}
