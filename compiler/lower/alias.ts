import type { ValueId } from "../../ir/graph/graph.js";
import { copy } from "./elementwise.js";
import type { Lowering } from "./lowering.js";
import { columnsOf, isContiguous, type Operand } from "./operand.js";

/** Lets a value share an operand's memory where it may; graph outputs and concat operands are copied. */
export function aliasOrCopy(lowering: Lowering, id: ValueId, from: Operand): void {
  if (lowering.plan.windows.has(id) || lowering.isOutput(id)) {
    copy(lowering, from, lowering.operand(id));
  } else lowering.alias(id, from);
}

/** The operand without gaps between its rows, copied if need be. */
export function packed(lowering: Lowering, operand: Operand): Operand {
  if (isContiguous(operand)) return operand;
  const out = lowering.temporary(operand.dtype, operand.shape);
  copy(lowering, operand, out);
  return out;
}

/** Runs a launch that needs its result without gaps, and moves it to where the value lies if there are some. */
export function intoPacked(lowering: Lowering, out: Operand, make: (packedOut: Operand) => void): void {
  if (isContiguous(out)) {
    make(out);
    return;
  }
  const between = lowering.temporary(out.dtype, out.shape);
  make(between);
  copy(lowering, between, out);
}

/** The same elements, without gaps, under another shape. */
export function reinterpret(lowering: Lowering, operand: Operand, shape: Operand["shape"]): Operand {
  return { ...packed(lowering, operand), shape, rowStride: columnsOf(shape) };
}
