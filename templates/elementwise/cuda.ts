import { type ElementwiseParams, elementwiseSignature } from "../../ir/families/elementwise.js";
import { printExpression, typeOfExpression } from "../../ir/families/expression.js";
import type { Target } from "../../targets/target.js";
import { defineCuda } from "../cuda/define.js";
import { cudaType } from "../cuda/header.js";
import type { KernelDefinition } from "../family.js";
import { CUDA_ELEMENT, cudaExpression } from "./cuda-expression.js";

const THREADS = 256;

export function elementwiseCuda(params: ElementwiseParams, target: Target): KernelDefinition {
  const { rank, inputs, output, expression, bf16 = [] } = params;
  const type = typeOfExpression(expression, inputs);
  if (type !== output) throw new RangeError(`${printExpression(expression)} is ${type}, not ${output}`);
  const signature = elementwiseSignature(params);
  const operands = signature.args.map(({ name, dtype }, number) => ({
    number,
    name,
    stored: cudaType(dtype),
    type: CUDA_ELEMENT[inputs[number] ?? output],
    strides: rank * (1 + number),
  }));
  const out = operands.pop();
  if (out === undefined) throw new RangeError("a kernel without an output");
  // 16 bytes of the narrowest operand.
  const vector = bf16.length > 0 ? 8 : 4;
  return defineCuda(
    "elementwise",
    { ...params, expression: printExpression(expression) },
    signature,
    target,
    [
      {
        requires: "sm_70",
        template: "elementwise/strided.cu.hbs",
        values: {
          vector,
          rank,
          operands,
          outType: out.type,
          outStored: out.stored,
          outStrides: out.strides,
          parameters: operands.map((operand) => `${operand.type} v${operand.number}`).join(", "),
          ofVectors: operands.map(({ number }) => `v${number}[i]`).join(", "),
          ofElements: operands.map(({ name, number }) => `toElement(${name}[from${number}])`).join(", "),
          ...cudaExpression(expression, inputs),
        },
        threads: THREADS,
        tile: [THREADS * vector, 1, 1],
      },
    ],
  );
}
