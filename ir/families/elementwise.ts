import type { ScalarType } from "../program/program.js";
import { type KernelSignature, wholeArg } from "./contract/arguments.js";
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
  /** Indices of the f32 operands that are stored in bf16; that of the output is the number of inputs. */
  readonly bf16?: readonly number[];
}

export function elementwiseSignature(params: ElementwiseParams): KernelSignature {
  const { inputs, output, bf16 = [] } = params;
  const stored = (type: ElementType, index: number) => (bf16.includes(index) ? "bf16" : type);
  return {
    args: [
      ...inputs.map((type, i) => wholeArg(`in${i}`, stored(type, i))),
      wholeArg("out", stored(output, inputs.length), "write"),
    ],
    scalars: new Array<ScalarType>(params.rank * (inputs.length + 2)).fill("u32"),
  };
}
