import { elementwise } from "../../ir/families/elementwise.js";
import { printExpression, typeOfExpression } from "../../ir/families/expression.js";
import { cudaType } from "../cuda/header.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";
import { CUDA_ELEMENT, cudaExpression } from "./cuda-expression.js";
import { elementWork } from "./operations.js";

export const elementwiseCuda = kernelTemplates(elementwise.forms.cuda, {
  // 16 bytes of the narrowest operand.
  configs: ({ params: { bf16 = [] } }) => [
    { variant: "strided", threads: 256, vector: bf16.length > 0 ? 8 : 4 },
  ],
  values: {
    strided({ rank, inputs, output, expression }, { vector }, { signature }) {
      const type = typeOfExpression(expression, inputs);
      if (type !== output) throw new RangeError(`${printExpression(expression)} is ${type}, not ${output}`);
      const operands = signature.args.map(({ name, dtype }, number) => ({
        number,
        name,
        stored: cudaType(dtype),
        type: CUDA_ELEMENT[inputs[number] ?? output],
        strides: rank * (1 + number),
      }));
      const out = operands.pop();
      if (out === undefined) throw new RangeError("a kernel without an output");
      return {
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
      };
    },
  },
  cost: {
    strided: cudaStreams(elementwise, ({ expression, rank, inputs }) => ({
      ...elementWork(expression),
      // A quotient for each axis and an address for each operand, of vectors.
      more: (rank * (12 + 2 * (inputs.length + 1))) / 4,
    })),
  },
});
