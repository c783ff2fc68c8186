import type { Shape } from "../../ir/dim.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";
import type { PassOptions } from "../pass.js";
import { largestBytes } from "./sizes.js";
import type { Uses } from "./uses.js";

/**
 * Whether only kernels that go row by row read the value; others may need all of its buffer in one binding. Elementwise
 * kernels mostly don't, which depends on how their operands lie in memory and is not known here.
 */
export function isReadByRows(uses: Uses, id: ValueId): boolean {
  const readers = uses.nodes.get(id) ?? [];
  return (
    !uses.outputs.has(id) &&
    readers.every(
      ({ op, inputs }) => definitionOf(op).traits.rowWise && inputs[0] === id && inputs.lastIndexOf(id) === 0,
    )
  );
}

/**
 * Whether a device can hold these values side by side in one f32 buffer of this shape, at the planned sizes.
 */
export function fitsJointly(
  uses: Uses,
  parts: readonly ValueId[],
  shape: Shape,
  { sizes, limits }: PassOptions,
): boolean {
  const bytes = largestBytes("f32", shape, sizes);
  if (bytes > limits.maxBufferBytes) return false;
  return bytes <= limits.maxBindingBytes || parts.every((id) => isReadByRows(uses, id));
}
