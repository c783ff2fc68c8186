import type { Shape } from "../../ir/dim.js";
import type { Node, ValueId } from "../../ir/graph/graph.js";
import type { PassOptions } from "../pass.js";
import { largestBytes } from "./sizes.js";
import type { Uses } from "./uses.js";

/** Operations whose kernels read operand 0 row by row, so that a device can take it in pieces of rows. */
const ROW_OPS: ReadonlySet<Node["op"]> = new Set([
  "linear",
  "ternary-linear",
  "ternary-qkv",
  "layer-norm",
  "rms-norm",
  "adaln",
  "adaln-quantize",
  "quantize-rows",
  "rope",
  "qk-norm-rope",
  "attention",
]);

/** Whether only kernels that go row by row read the value; others need all of its buffer in one binding. */
export function isReadByRows(uses: Uses, id: ValueId): boolean {
  const readers = uses.nodes.get(id) ?? [];
  return (
    !uses.outputs.has(id) &&
    readers.every(
      (reader) => ROW_OPS.has(reader.op) && reader.inputs[0] === id && reader.inputs.lastIndexOf(id) === 0,
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
