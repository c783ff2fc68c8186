import { type Shape, sameShape } from "../../../ir/dim.js";
import type { Node, ValueId } from "../../../ir/graph/graph.js";
import { inferNode } from "../../../ir/ops/infer.js";
import { countOf } from "../../../ir/tensor.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { elementsOf, intsOf, numbersOf, scalarOf } from "../../rewrite/values.js";
import { becomes, operand, type Rule, resultOf, rule } from "./rule.js";

/** x broadcast to a shape; x itself if it has that shape. */
function expandTo(edit: GraphEditor, x: ValueId, shape: Shape): ValueId {
  const now = edit.type(x).shape;
  if (now !== null && sameShape(now, shape)) return x;
  return edit.add("expand", [x, edit.ints(shape)], {});
}

export const EXPAND_RULES: readonly Rule[] = [
  // expand(x, shape of x) = x
  rule("drop-expand", "expand", (node, edit) => {
    const x = operand(node, 0);
    const [from, to] = [edit.type(x).shape, edit.type(resultOf(node)).shape];
    return from !== null && to !== null && sameShape(from, to) && becomes(edit, node, x);
  }),

  // expand(c, s) = a constant of shape s whose elements are all c
  rule("expand-scalar", "expand", (node, edit) => {
    const x = operand(node, 0);
    const value = scalarOf(edit, x);
    const { dtype, shape } = edit.type(resultOf(node));
    if (value === undefined || !shape?.every((d) => typeof d === "number")) return false;
    return becomes(
      edit,
      node,
      edit.constant({ dtype, shape: shape as readonly number[], source: { kind: "fill", value } }, "fill"),
    );
  }),

  // expand(expand(x, s), t) = expand(x, t)
  rule("merge-expands", "expand", (node, edit) => {
    const inner = edit.producerOf(node.inputs[0], "expand");
    const { shape } = edit.type(resultOf(node));
    return (
      inner !== undefined && shape !== null && becomes(edit, node, expandTo(edit, operand(inner, 0), shape))
    );
  }),

  // expand(x, s) = expand(x, shape of the result)
  rule("explicit-expand", "expand", (node, edit) => {
    const { shape } = edit.type(resultOf(node));
    const given = intsOf(edit, node.inputs[1]);
    if (shape === null || (given !== undefined && sameShape(given, shape))) return false;
    return becomes(edit, node, expandTo(edit, operand(node, 0), shape));
  }),

  // tile(x, r) = expand(x, s) where only axes of size 1 repeat
  rule("tile-to-expand", "tile", (node, edit) => {
    const x = operand(node, 0);
    const from = edit.type(x).shape;
    const to = edit.type(resultOf(node)).shape;
    const repeats = intsOf(edit, node.inputs[1]);
    if (from === null || to === null || repeats === undefined) return false;
    if (!repeats.every((r, i) => r === 1 || from[i] === 1)) return false;
    return becomes(edit, node, expandTo(edit, x, to));
  }),

  // f(expand(x), y) = f(x, y) where the result has the same shape
  rule("drop-operand-expand", ["binary", "where"], (node, edit) => {
    const to = edit.type(resultOf(node)).shape;
    if (to === null) return false;
    for (const [i, id] of node.inputs.entries()) {
      const expanded = edit.producerOf(id, "expand");
      if (expanded === undefined) continue;
      const inputs = node.inputs.map((other, j) => (i === j ? operand(expanded, 0) : other));
      const bare = { ...node, inputs } as unknown as Node;
      const shape = inferNode(bare, { types: edit.types, ints: () => undefined, numbers: () => undefined })[0]
        ?.shape;
      if (shape === null || shape === undefined || !sameShape(shape, to)) continue;
      edit.replaceNode(node as unknown as Node, bare);
      return true;
    }
    return false;
  }),

  // where(true, a, b) = a; where(false, a, b) = b
  rule("constant-where", "where", (node, edit) => {
    const condition = numbersOf(edit, node.inputs[0]);
    const { shape } = edit.type(resultOf(node));
    const [first] = condition ?? [];
    if (condition === undefined || first === undefined || shape === null) return false;
    if (condition.some((v) => (v !== 0) !== (first !== 0))) return false;
    return becomes(edit, node, expandTo(edit, operand(node, first !== 0 ? 1 : 2), shape));
  }),

  // concat(x) = x
  rule("drop-concat", "concat", (node, edit) => {
    return node.inputs.length === 1 && becomes(edit, node, operand(node, 0));
  }),

  // concat(x, concat(y, z)) = concat(x, y, z)
  rule("flatten-concat", "concat", (node, edit) => {
    const inner = node.inputs.map((id) => edit.producerOf(id, "concat"));
    const nested = inner.map((n, i) => n?.attrs.axis === node.attrs.axis && edit.usedOnce(operand(node, i)));
    if (!nested.includes(true)) return false;
    const inputs = node.inputs.flatMap((id, i) => (nested[i] === true ? (inner[i]?.inputs ?? []) : [id]));
    return becomes(edit, node, edit.add("concat", inputs, node.attrs));
  }),

  // layer-norm(x, 1, 0) = layer-norm(x)
  rule("drop-affine", "layer-norm", (node, edit) => {
    const [x, scale = null, bias = null] = node.inputs;
    const bare = [x ?? null, isAll(edit, scale, 1) ? null : scale, isAll(edit, bias, 0) ? null : bias];
    while (bare.at(-1) === null) bare.pop();
    if (bare.length === node.inputs.length && bare.every((id, i) => id === node.inputs[i])) return false;
    return becomes(edit, node, edit.add("layer-norm", bare, node.attrs));
  }),
];

function isAll(edit: GraphEditor, id: ValueId | null, value: number): boolean {
  const constant = id === null ? undefined : edit.constants.get(id);
  if (constant === undefined) return id === null;
  if (constant.source.kind === "fill") return constant.source.value === value;
  return countOf(constant.shape) <= 1 << 16 && elementsOf(constant)?.every((v) => v === value) === true;
}
