import type { ScalarType } from "../program/program.js";
import { stridedArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { between, listOf, optional, size, type ValuesOf, word } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { type ElementType, expression } from "./expression.js";
import { form, threads } from "./launch/form.js";

const elements = word("f32", "i32", "u32");

const params = {
  /** Axes, outermost first. */
  rank: between(1, 5),
  inputs: listOf(elements),
  output: elements,
  /** Of type `output`. */
  expression,
  /** Indices of the f32 operands that are stored in bf16; that of the output is the number of inputs. */
  bf16: optional(listOf(size)),
};
export type ElementwiseParams = ValuesOf<typeof params>;

const map = form<ElementwiseParams>();

const axesOf = (rank: number) => Array.from({ length: rank }, (_, axis) => axis);

/**
 * out[i] = expression(in_0[i], in_1[i], …) over an index space of `rank` axes, each operand with its own strides
 * (0 broadcasts). Row strides of the arguments are ignored; rows = total elements.
 * Scalars: the size of each axis, then `rank` strides per input, then `rank` strides of out, in elements.
 */
export const elementwise = defineFamily({
  params,
  forms: {
    wat: {
      elementwise: map({
        dimensions: { elements: [4096] },
        launch: (_, { elements }) => ({ tile: [elements, 1, 1] }),
      }),
    },
    wgsl: {
      strided: map({
        /** Elements of one invocation. */
        dimensions: { threads: [64], elements: [4] },
        launch: (_, config) => ({
          workgroup: threads(config.threads),
          tile: [config.threads * config.elements, 1, 1],
        }),
      }),
    },
    cuda: {
      strided: map({
        /** Elements of one thread. */
        dimensions: { threads: [128, 256, 512], vector: [4, 8] },
        needs: () => ["sm_70"],
        refuses: ({ bf16 = [] }, { vector }) =>
          bf16.length > 0 && vector < 8 ? "16 bytes of bf16 are 8 elements" : undefined,
        launch: (_, config) => ({
          workgroup: threads(config.threads),
          tile: [config.threads * config.vector, 1, 1],
        }),
      }),
    },
  },
  args({ rank, inputs, output, bf16 = [] }) {
    const operand = (name: string, type: ElementType, i: number, access: "read" | "write") =>
      stridedArg(
        name,
        bf16.includes(i) ? "bf16" : type,
        axesOf(rank).map((axis) => ({ size: scalar(axis), stride: scalar(rank * (i + 1) + axis) })),
        access,
      );
    return [
      ...inputs.map((type, i) => operand(`in${i}`, type, i, "read")),
      operand("out", output, inputs.length, "write"),
    ];
  },
  scalars: ({ rank, inputs }) => new Array<ScalarType>(rank * (inputs.length + 2)).fill("u32"),
  grid: ({ rank }) => [scalar(...axesOf(rank)), 1, 1],
  rows: ({ rank }) => scalar(...axesOf(rank)),
  /** The outermost axis. */
  divisible: 0,
  operations: perResult(1),
});
