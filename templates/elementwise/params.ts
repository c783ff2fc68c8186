import type { ScalarType } from "../../ir/program/program.js";
import { type KernelSignature, wholeArg } from "../signature.js";
import type { ElementType, Expression } from "./expression.js";

/**
 * out[i] = expression(in_0[i], in_1[i], …) over an index space of `rank` axes (1 to 5, outermost first), each
 * operand with its own strides (0 broadcasts). Row strides of the arguments are ignored; rows = total elements.
 * Scalars: the size of each axis, then `rank` strides per input, then `rank` strides of out, in elements.
 */
export interface ElementwiseParams {
  readonly rank: number;
  readonly inputs: readonly ElementType[];
  readonly output: ElementType;
  /** Of type `output`. */
  readonly expression: Expression;
}

export function elementwiseSignature(params: ElementwiseParams): KernelSignature {
  return {
    args: [
      ...params.inputs.map((dtype, i) => wholeArg(`in${i}`, dtype)),
      wholeArg("out", params.output, "write"),
    ],
    scalars: new Array<ScalarType>(params.rank * (params.inputs.length + 2)).fill("u32"),
  };
}
