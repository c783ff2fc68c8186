import { elementwise } from "../../ir/families/elementwise.js";
import { printExpression, typeOfExpression } from "../../ir/families/expression.js";
import { kernelTemplates } from "../kernel-templates.js";
import { CALL, EXPONENTIAL, LANEWISE, watStreams } from "../wat/streams.js";
import { scalarOffset, watArgs } from "../wat/values.js";
import { elementWork } from "./operations.js";
import { watExpression } from "./wat-expression.js";

export const elementwiseWat = kernelTemplates(elementwise.forms.wat, {
  configs: () => [{ variant: "elementwise", elements: 4096 }],
  values: {
    elementwise({ rank, inputs, output, expression }, { elements }, { signature }) {
      const type = typeOfExpression(expression, inputs);
      if (type !== output) throw new RangeError(`${printExpression(expression)} is ${type}, not ${output}`);
      const sizes = scalarOffset(signature);
      const strides = (operand: number) => sizes + 4 * rank * (1 + operand);
      return {
        args: watArgs(signature),
        inputs: inputs.map((_, i) => ({ name: `in${i}`, stride: strides(i) })),
        out: strides(inputs.length),
        sizes,
        axes: Array.from({ length: rank }, (_, axis) => axis),
        rank,
        ...watExpression(expression, inputs),
        tile: elements,
      };
    },
  },
  cost: {
    elementwise: watStreams(elementwise, ({ expression, inputs }) => {
      const { operations, special } = elementWork(expression);
      const lanewise = watExpression(expression, inputs).lanewise.length;
      const ofVectors = Math.max(0, special - lanewise);
      return {
        ...{ operations, special },
        more: 2 * CALL + EXPONENTIAL * ofVectors + LANEWISE * lanewise,
      };
    }),
  },
});
