import { type Shape, sameShape } from "../../../ir/dim.js";
import type { Node } from "../../../ir/graph/graph.js";
import { definitionOf, OP_NAMES } from "../../../ir/ops/index.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { intsOf } from "../../rewrite/values.js";
import { becomes, operand, type Rule, resultOf, rule } from "./rule.js";

/** x with another shape; x itself if it has that shape. */
export function reshapeTo(edit: GraphEditor, x: string, shape: Shape): string {
  const now = edit.type(x).shape;
  if (now !== null && sameShape(now, shape)) return x;
  return edit.add("reshape", [x, edit.ints(shape)], { allowZero: shape.includes(0) });
}

function isIdentity(perm: readonly number[]): boolean {
  return perm.every((p, i) => p === i);
}

/** Other spellings of reshape. */
const RESHAPES = OP_NAMES.filter((op) => op !== "reshape" && definitionOf(op).traits.reshapes);

export const RESHAPE_RULES: readonly Rule[] = [
  // squeeze(x, axes) = unsqueeze(x, axes) = flatten(x) = reshape(x, shape of the result)
  rule("squeeze-to-reshape", RESHAPES, (node, edit) => {
    const { shape } = edit.type(resultOf(node));
    return shape !== null && becomes(edit, node, reshapeTo(edit, operand(node, 0), shape));
  }),

  // reshape(x, shape of x) = x
  rule("drop-reshape", "reshape", (node, edit) => {
    const x = operand(node, 0);
    const [from, to] = [edit.type(x).shape, edit.type(resultOf(node)).shape];
    return from !== null && to !== null && sameShape(from, to) && becomes(edit, node, x);
  }),

  // reshape(reshape(x, s), t) = reshape(x, t)
  rule("merge-reshapes", "reshape", (node, edit) => {
    const inner = edit.producerOf(node.inputs[0], "reshape");
    const { shape } = edit.type(resultOf(node));
    return (
      inner !== undefined && shape !== null && becomes(edit, node, reshapeTo(edit, operand(inner, 0), shape))
    );
  }),

  // reshape(part(x[1, r, c], 1, a, n), [1, n·c]) = part(reshape(x, [1, r·c]), 1, a·c, n·c): some of many rows, side by side
  rule("part-of-rows", "reshape", (node, edit) => {
    const part = edit.producerOf(node.inputs[0], "part");
    const to = edit.type(resultOf(node)).shape;
    const [one, rows, columns, more] = part === undefined ? [] : (edit.type(operand(part, 0)).shape ?? []);
    if (part === undefined || to?.length !== 2 || part.attrs.axis !== 1 || one !== 1 || to[0] !== 1)
      return false;
    const { start, length } = part.attrs;
    const sizes = [rows, columns, start, length];
    if (more !== undefined || !sizes.every((size) => typeof size === "number")) return false;
    const width = Number(columns);
    const flat = reshapeTo(edit, operand(part, 0), [1, Number(rows) * width]);
    const attrs = { axis: 1, start: Number(start) * width, length: Number(length) * width };
    return becomes(edit, node, edit.add("part", [flat], attrs));
  }),

  // reshape(x, [0, -1, c]) = reshape(x, [b, t, c])
  rule("explicit-shape", "reshape", (node, edit) => {
    const { shape } = edit.type(resultOf(node));
    if (shape === null) return false;
    const given = intsOf(edit, node.inputs[1]);
    const allowZero = shape.includes(0);
    if (given !== undefined && sameShape(given, shape) && node.attrs.allowZero === allowZero) return false;
    edit.replaceNode(
      asNode(node),
      asNode({ ...node, inputs: [operand(node, 0), edit.ints(shape)], attrs: { allowZero } }),
    );
    return true;
  }),

  // transpose(x) = transpose(x, [n−1, …, 0])
  rule("explicit-permutation", "transpose", (node, edit) => {
    const rank = edit.type(operand(node, 0)).shape?.length;
    if (node.attrs.perm !== null || rank === undefined) return false;
    const perm = Array.from({ length: rank }, (_, i) => rank - 1 - i);
    edit.replaceNode(asNode(node), asNode({ ...node, attrs: { perm } }));
    return true;
  }),

  // transpose(x, [0, …, n−1]) = x
  rule("drop-transpose", "transpose", (node, edit) => {
    const { perm } = node.attrs;
    return perm !== null && isIdentity(perm) && becomes(edit, node, operand(node, 0));
  }),

  // transpose(transpose(x, p), q) = transpose(x, p∘q)
  rule("merge-transposes", "transpose", (node, edit) => {
    const inner = edit.producerOf(node.inputs[0], "transpose");
    const [p, q] = [inner?.attrs.perm, node.attrs.perm];
    if (inner === undefined || !p || !q) return false;
    return becomes(
      edit,
      node,
      edit.add("transpose", [operand(inner, 0)], { perm: q.map((axis) => p[axis] ?? 0) }),
    );
  }),
];

/** Narrow node records are members of the union by construction. */
function asNode(node: unknown): Node {
  return node as Node;
}
