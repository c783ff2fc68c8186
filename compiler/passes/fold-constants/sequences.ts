import { type Dim, divDims } from "../../../ir/dim.js";
import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { intsConstant } from "../../rewrite/values.js";
import type { Sweep } from "./sweep.js";

/** Sequences whose members are known exist only here: what is taken out of them is used directly. */
export function dissolveSequence(sweep: Sweep, node: Node): boolean {
  const [output] = node.outputs;
  if (output === undefined) return false;
  const members = sweep.sequences.get(node.inputs[0] ?? "");
  switch (node.op) {
    case "sequence-construct": {
      sweep.sequences.set(
        output,
        node.inputs.filter((id) => id !== null),
      );
      sweep.types.set(output, { dtype: node.attrs.dtype ?? "f32", shape: null, sequence: true });
      return true;
    }
    case "sequence-insert": {
      const [, tensor, at] = node.inputs;
      const position = at === null || at === undefined ? members?.length : sweep.ints(at)?.[0];
      if (members === undefined || tensor === null || tensor === undefined || typeof position !== "number")
        return false;
      sweep.sequences.set(output, members.toSpliced(fromEnd(position, members.length), 0, tensor));
      sweep.types.set(output, {
        dtype: sweep.types.get(tensor)?.dtype ?? "f32",
        shape: null,
        sequence: true,
      });
      return true;
    }
    case "sequence-at": {
      const position = sweep.ints(node.inputs[1] ?? "")?.[0];
      if (members === undefined || typeof position !== "number") return false;
      const member = members[fromEnd(position, members.length)];
      if (member === undefined) return false;
      sweep.alias(output, member);
      return true;
    }
    case "sequence-length": {
      if (members === undefined) return false;
      sweep.defineConstant(output, intsConstant([members.length], []));
      return true;
    }
    case "concat-from-sequence":
      return (
        members !== undefined && concatMembers(sweep, members, output, node.attrs.axis, node.attrs.newAxis)
      );
    case "split-to-sequence":
      return splitMembers(sweep, node, output);
    default:
      return false;
  }
}

function fromEnd(position: number, length: number): number {
  return position < 0 ? position + length : position;
}

function concatMembers(
  sweep: Sweep,
  members: readonly ValueId[],
  output: ValueId,
  axis: number,
  newAxis: boolean,
): boolean {
  let parts = members;
  if (newAxis) {
    const axes = sweep.constant(intsConstant([axis]), "axes");
    parts = members.map((member) => {
      const part = sweep.freshId(output);
      sweep.visit({ op: "unsqueeze", inputs: [member, axes], outputs: [part], attrs: {} });
      return part;
    });
  }
  sweep.visit({ op: "concat", inputs: parts, outputs: [output], attrs: { axis } });
  return true;
}

function splitMembers(sweep: Sweep, node: NodeOf<"split-to-sequence">, output: ValueId): boolean {
  const [x, split] = node.inputs;
  const type = sweep.types.get(x ?? "");
  if (x === null || x === undefined || type === undefined || type.shape === null) return false;
  const axis = node.attrs.axis < 0 ? node.attrs.axis + type.shape.length : node.attrs.axis;
  const whole = split === null || split === undefined;
  const sizes = partSizes(
    type.shape[axis] ?? 1,
    whole ? [1] : sweep.ints(split),
    whole || isScalar(sweep, split),
  );
  if (sizes === undefined) return false;
  const parts = sizes.map(() => sweep.freshId(output));
  const lengths = sweep.constant(intsConstant(sizes), "sizes");
  sweep.visit({ op: "split", inputs: [x, lengths], outputs: parts, attrs: { axis } });
  // Without sizes, keepDims decides whether the axis of size 1 stays.
  const squeezed = whole && !node.attrs.keepDims;
  const members = parts.map((part) => {
    if (!squeezed) return part;
    const member = sweep.freshId(output);
    const axes = sweep.constant(intsConstant([axis]), "axes");
    sweep.visit({ op: "squeeze", inputs: [part, axes], outputs: [member], attrs: {} });
    return member;
  });
  sweep.sequences.set(
    output,
    members.map((id) => sweep.resolve(id)),
  );
  sweep.types.set(output, { dtype: type.dtype, shape: null, sequence: true });
  return true;
}

function isScalar(sweep: Sweep, id: ValueId): boolean {
  return sweep.types.get(id)?.shape?.length === 0;
}

/** Sequences of more members stay in the graph. */
const MOST_PARTS = 20_000;

/** One size for all parts (the last may be shorter), or a size for each. */
function partSizes(
  size: Dim,
  given: readonly Dim[] | undefined,
  uniform: boolean,
): readonly Dim[] | undefined {
  if (given === undefined || !uniform) return given;
  const chunk = given[0] ?? 1;
  if (typeof size === "number" && typeof chunk === "number") {
    const length = Math.ceil(size / chunk);
    if (!(length <= MOST_PARTS)) return undefined;
    return Array.from({ length }, (_, i) => Math.min(chunk, size - i * chunk));
  }
  const count = divDims(size, chunk);
  if (typeof count !== "number" || !(count <= MOST_PARTS)) return undefined;
  return new Array<Dim>(count).fill(chunk);
}
