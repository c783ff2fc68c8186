import { type Dim, elementCount } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";

/** Whether a value is a constant of one row of `width` elements: [width], [1, width], [1, 1, width]… */
export function isRow(rewriter: Rewriter, id: ValueId, width: Dim | undefined): boolean {
  const shape = rewriter.constant(id)?.shape;
  return shape !== undefined && shape.at(-1) === width && elementCount(shape) === width;
}

/** Whether a computed value is one row: every axis but the last has size 1. */
export function isComputedRow(rewriter: Rewriter, id: ValueId, width: Dim | undefined): boolean {
  const shape = rewriter.shape(id);
  if (shape === undefined || rewriter.constant(id) !== undefined) return false;
  return shape.at(-1) === width && shape.slice(0, -1).every((d) => d === 1);
}
