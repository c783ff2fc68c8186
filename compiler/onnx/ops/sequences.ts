import type { DType } from "../../../ir/dtype.js";
import type { ValueId, ValueType } from "../../../ir/graph/graph.js";
import { typed } from "../builder.js";
import type { Operation } from "../operation.js";

function sequenceOf(dtype: DType): ValueType {
  return { dtype, shape: null, sequence: true };
}

function sequence(n: Operation): ValueId {
  const id = n.input(0);
  if (n.type(id).sequence) return id;
  return n.fail(
    `the operand "${id}" is not a sequence`,
    "a sequence of tensors",
    `a tensor of ${n.dtype(id)}`,
  );
}

export function SequenceConstruct(n: Operation) {
  const parts = n.rest(0, 1);
  n.sameType(...parts);
  const dtype = n.dtype(n.input(0));
  n.results("sequence-construct", parts, { dtype }, [sequenceOf(dtype)]);
}

export function SequenceEmpty(n: Operation) {
  const dtype = n.dtypeAttribute("dtype") ?? "f32";
  n.results("sequence-construct", [], { dtype }, [sequenceOf(dtype)]);
}

export function SequenceInsert(n: Operation) {
  const list = sequence(n);
  const value = n.input(1);
  n.sameType(list, value);
  const position = n.optional(2);
  n.results("sequence-insert", position === null ? [list, value] : [list, value, position], {}, [
    n.type(list),
  ]);
}

export function SequenceAt(n: Operation) {
  const list = sequence(n);
  n.result("sequence-at", [list, n.input(1)], {}, n.dtype(list));
}

export function SequenceLength(n: Operation) {
  n.result("sequence-length", [sequence(n)], {}, "i64");
}

export function ConcatFromSequence(n: Operation) {
  const list = sequence(n);
  n.results("concat-from-sequence", [list], { axis: n.int("axis"), newAxis: n.flag("new_axis", false) }, [
    typed(n.dtype(list)),
  ]);
}

export function SplitToSequence(n: Operation) {
  const x = n.input(0);
  const split = n.optional(1);
  // keepdims counts only where the default split, into parts of one, is used.
  const keepDims = n.flag("keepdims", true) || split !== null;
  const attrs = { axis: n.axis("axis", x, 0), keepDims };
  n.results("split-to-sequence", split === null ? [x] : [x, split], attrs, [sequenceOf(n.dtype(x))]);
}
