import { addDims, type Dim } from "../../../ir/dim.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import { plainIntsOf } from "../../rewrite/values.js";
import { type Contribution, operand, type Rule, type Section } from "../rules.js";

type Reshaping = "reshape" | "squeeze" | "unsqueeze" | "flatten";

/** The same elements under the operand's shape. */
const back: Rule<Reshaping> = (b, node, [g]) => [b.reshape(g, b.shape(operand(node, 0)))];

/** Ops that move elements: gradients move back. */
export const shapes: Section<"shapes"> = {
  reshape: back,
  squeeze: back,
  unsqueeze: back,
  flatten: back,

  transpose(b, node, [g]) {
    const rank = b.rank(g);
    const perm = node.attrs.perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    return [
      b.transpose(
        g,
        Array.from({ length: rank }, (_, axis) => perm.indexOf(axis)),
      ),
    ];
  },

  expand: (b, node, [g]) => [b.sumTo(g, b.shape(operand(node, 0)))],

  concat(b, node, [g]) {
    const rank = b.rank(g);
    const axis = node.attrs.axis < 0 ? node.attrs.axis + rank : node.attrs.axis;
    let start: Dim = 0;
    return node.inputs.map((_, i) => {
      const length = b.shape(operand(node, i))[axis] ?? 1;
      const part = b.part(g, axis, start, length);
      start = addDims(start, length);
      return part;
    });
  },

  part: (_, { attrs: { axis, start } }, [part]) => [{ part, axis, start }],

  /** One part for each result; the operand's gradient is that of all of them. */
  split(b, node, gradients) {
    const x = operand(node, 0);
    const axis = node.attrs.axis < 0 ? node.attrs.axis + b.rank(x) : node.attrs.axis;
    const parts = node.outputs.map((id, i) => gradients[i] ?? b.fill(0, b.shape(id), x));
    return [b.concat(parts, axis)];
  },

  slice(b, node, [part]) {
    const found = sliceOf(b.editor, node);
    return [found === undefined ? null : ({ part, ...found } satisfies Contribution)];
  },
};

/** Where a slice of one axis in steps of 1 begins; undefined for others, which `canonicalize` leaves. */
function sliceOf(
  graph: Parameters<typeof plainIntsOf>[0],
  node: NodeOf<"slice">,
): { readonly axis: number; readonly start: number } | undefined {
  const [starts, axes = [0]] = [1, 3].map((i) => plainIntsOf(graph, node.inputs[i]));
  const steps = node.inputs[4] == null ? [1] : plainIntsOf(graph, node.inputs[4]);
  const [start, axis] = [starts?.[0], axes[0]];
  if (starts?.length !== 1 || steps?.[0] !== 1 || start === undefined || axis === undefined) return undefined;
  return start < 0 || axis < 0 ? undefined : { axis, start };
}
