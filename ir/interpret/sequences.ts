import type { Tensor } from "../tensor.js";
import { concat, part } from "./shapes.js";
import {
  axisOf,
  i64,
  ints,
  isSequence,
  OpError,
  type Section,
  type Sequence,
  scalar,
  withShape,
} from "./value.js";

function position(sequence: Sequence, at: number, end: number): number {
  const index = at < 0 ? at + sequence.items.length : at;
  if (index < 0 || index >= end)
    throw new OpError(`position ${at} in a sequence of ${sequence.items.length}`);
  return index;
}

function stack(items: readonly Tensor[], axis: number, newAxis: boolean): Tensor {
  if (!newAxis) return concat(items, axis);
  const rank = (items[0]?.shape.length ?? 0) + 1;
  const at = axisOf(axis, rank);
  return concat(
    items.map((t) => withShape(t, [...t.shape.slice(0, at), 1, ...t.shape.slice(at)])),
    at,
  );
}

function splitToSequence(x: Tensor, operand: Tensor | null, axis: number, keepDims: boolean): Sequence {
  const at = axisOf(axis, x.shape.length);
  const size = x.shape[at] ?? 0;
  let lengths: number[];
  if (operand === null) lengths = new Array<number>(size).fill(1);
  else if (operand.shape.length > 0) lengths = ints(operand);
  else {
    const chunk = scalar(operand);
    if (chunk < 1) throw new OpError(`parts of size ${chunk}`);
    lengths = [];
    for (let start = 0; start < size; start += chunk) lengths.push(Math.min(chunk, size - start));
  }
  let start = 0;
  const items = lengths.map((length) => {
    const piece = part(x, at, start, length);
    start += length;
    return operand === null && !keepDims
      ? withShape(
          piece,
          x.shape.filter((_, i) => i !== at),
        )
      : piece;
  });
  if (start !== size) throw new OpError(`parts of ${lengths.join(", ")} for an axis of size ${size}`);
  return { items, dtype: x.dtype };
}

export const SEQUENCES: Section<"sequences"> = {
  "sequence-construct": (x, { dtype }) => {
    const items = x.tensors();
    return { items, dtype: items[0]?.dtype ?? dtype ?? "f32" };
  },
  "sequence-insert": (x) => {
    const sequence = x.sequence(0);
    const { items } = sequence;
    const where = x.optional(2);
    const at = where === null ? items.length : position(sequence, scalar(where), items.length + 1);
    return { items: [...items.slice(0, at), x.tensor(1), ...items.slice(at)], dtype: sequence.dtype };
  },
  "sequence-at": (x) => {
    const sequence = x.sequence(0);
    const item = sequence.items[position(sequence, scalar(x.tensor(1)), sequence.items.length)];
    if (item === undefined) throw new OpError("no such item");
    return item;
  },
  "sequence-length": (x) => i64([x.sequence(0).items.length], []),
  "concat-from-sequence": (x, { axis, newAxis }) => {
    const value = x.value(0);
    return stack(isSequence(value) ? value.items : x.tensors(), axis, newAxis);
  },
  "split-to-sequence": (x, { axis, keepDims }) => splitToSequence(x.tensor(0), x.optional(1), axis, keepDims),
};
