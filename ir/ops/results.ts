import type { Shape } from "../dim.js";
import type { DType } from "../dtype.js";
import type { ValueType } from "../graph/graph.js";
import type { Operands } from "./operands.js";

/** One result. */
export function tensor(dtype: DType, shape: Shape | null): readonly ValueType[] {
  return [{ dtype, shape }];
}

/** One result of the type of operand 0. */
export function sameAsFirst(operands: Operands): readonly ValueType[] {
  return tensor(operands.dtype(0), operands.shape(0));
}
