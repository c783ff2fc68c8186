import type { Shape } from "../dim.js";
import type { DType } from "../dtype.js";
import type { ValueType } from "../graph/graph.js";
import type { OpAttrs, OpName } from "./index.js";
import type { Operands } from "./operands.js";

/** Result types of one op. */
export type InferRule<K extends OpName> = (operands: Operands, attrs: OpAttrs[K]) => readonly ValueType[];
export type InferRules<K extends OpName> = { readonly [P in K]: InferRule<P> };

/** One result. */
export function tensor(dtype: DType, shape: Shape | null): readonly ValueType[] {
  return [{ dtype, shape }];
}

/** One result of the type of operand 0. */
export function sameAsFirst(operands: Operands): readonly ValueType[] {
  return tensor(operands.dtype(0), operands.shape(0));
}
