import { sameShape } from "../../../ir/dim.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { BinaryFn } from "../../../ir/ops/elementwise.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { scalarOf } from "../../rewrite/values.js";
import { becomes, operand, type Rule, resultOf, rule } from "./rule.js";

const COMMUTATIVE: ReadonlySet<BinaryFn> = new Set([
  "add",
  "mul",
  "max",
  "min",
  "and",
  "or",
  "xor",
  "bit-and",
  "bit-or",
  "bit-xor",
  "equal",
]);

/** The largest finite f16: exporters clip at ±65504 to keep half precision finite, which f32 does not need. */
const HALF_LIMIT = 65504;

/** A binary node whose second operand is one number and whose result has the first one's shape. */
function scaledBy(
  node: NodeOf<"binary">,
  edit: GraphEditor,
): { x: ValueId; c: number; float: boolean } | undefined {
  const c = scalarOf(edit, node.inputs[1]);
  const x = operand(node, 0);
  const [type, result] = [edit.type(x), edit.type(resultOf(node))];
  if (c === undefined || type.shape === null || result.shape === null) return undefined;
  return sameShape(type.shape, result.shape) ? { x, c, float: isFloat(type.dtype) } : undefined;
}

/** A matrix product, possibly times or divided by finite constants. */
function isScaledProduct(edit: GraphEditor, id: ValueId): boolean {
  const node = edit.producer(id);
  if (node?.op === "matmul") return true;
  if (node?.op !== "binary" || (node.attrs.fn !== "mul" && node.attrs.fn !== "div")) return false;
  return Number.isFinite(scalarOf(edit, node.inputs[1])) && isScaledProduct(edit, operand(node, 0));
}

export const ARITHMETIC_RULES: readonly Rule[] = [
  // c + x = x + c, and so for every commutative function
  rule("constant-second", "binary", (node, edit) => {
    const [a, b] = [operand(node, 0), operand(node, 1)];
    if (!COMMUTATIVE.has(node.attrs.fn) || !edit.constants.has(a) || edit.constants.has(b)) return false;
    const swapped: Node = { ...node, inputs: [b, a] };
    edit.replaceNode(node as Node, swapped);
    return true;
  }),

  // x + 0 = x − 0 = x · 1 = x / 1 = x¹ = x
  rule("drop-neutral", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (match === undefined) return false;
    const { fn } = node.attrs;
    const neutral =
      fn === "add" || fn === "sub" ? 0 : fn === "mul" || fn === "div" || fn === "pow" ? 1 : undefined;
    return neutral === match.c && becomes(edit, node, match.x);
  }),

  // min(x, 65504) = max(x, −65504) = x in f32
  rule("drop-half-guard", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (match === undefined || !match.float) return false;
    const { fn } = node.attrs;
    const idle = (fn === "min" && match.c >= HALF_LIMIT) || (fn === "max" && match.c <= -HALF_LIMIT);
    return idle && becomes(edit, node, match.x);
  }),

  // x² = x·x
  rule("square", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (node.attrs.fn !== "pow" || match?.c !== 2) return false;
    return becomes(edit, node, edit.add("binary", [match.x, match.x], { fn: "mul" }));
  }),

  // x^½ = √x
  rule("square-root", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (node.attrs.fn !== "pow" || match?.c !== 0.5 || !match.float) return false;
    return becomes(edit, node, edit.add("unary", [match.x], { fn: "sqrt" }));
  }),

  // x^−½ = 1/√x
  rule("reciprocal-square-root", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (node.attrs.fn !== "pow" || match?.c !== -0.5 || !match.float) return false;
    const root = edit.add("unary", [match.x], { fn: "sqrt" });
    return becomes(edit, node, edit.add("unary", [root], { fn: "reciprocal" }));
  }),

  // x⁻¹ = 1/x
  rule("reciprocal-power", "binary", (node, edit) => {
    const match = scaledBy(node, edit);
    if (node.attrs.fn !== "pow" || match?.c !== -1 || !match.float) return false;
    return becomes(edit, node, edit.add("unary", [match.x], { fn: "reciprocal" }));
  }),

  // 1 / x = reciprocal(x)
  rule("reciprocal", "binary", (node, edit) => {
    const x = operand(node, 1);
    const [type, result] = [edit.type(x), edit.type(resultOf(node))];
    if (node.attrs.fn !== "div" || scalarOf(edit, node.inputs[0]) !== 1 || !isFloat(type.dtype)) return false;
    if (type.shape === null || result.shape === null || !sameShape(type.shape, result.shape)) return false;
    return becomes(edit, node, edit.add("unary", [x], { fn: "reciprocal" }));
  }),

  // −(−x) = x
  rule("double-negation", "unary", (node, edit) => {
    const inner = edit.producerOf(node.inputs[0], "unary");
    const cancels = node.attrs.fn === "neg" || node.attrs.fn === "not";
    return cancels && inner?.attrs.fn === node.attrs.fn && becomes(edit, node, operand(inner, 0));
  }),

  // where(is-nan(p), c, p) = p for p = softmax(a·b·s): such scores are finite, so no row of p is undefined
  rule("drop-nan-guard", "where", (node, edit) => {
    const test = edit.producerOf(node.inputs[0], "unary");
    const p = operand(node, 2);
    const soft = edit.producerOf(p, "softmax");
    if (test?.attrs.fn !== "is-nan" || test.inputs[0] !== p || soft === undefined) return false;
    const [result, type] = [edit.type(resultOf(node)), edit.type(p)];
    if (type.shape === null || result.shape === null || !sameShape(type.shape, result.shape)) return false;
    return isScaledProduct(edit, operand(soft, 0)) && becomes(edit, node, p);
  }),

  // cast(x, dtype of x) = x; floats compute in one precision, so a cast between them is one too
  rule("drop-cast", "cast", (node, edit) => {
    const x = operand(node, 0);
    const from = edit.type(x).dtype;
    const same =
      from === node.attrs.to || (isFloat(from) && isFloat(node.attrs.to) && !edit.constants.has(x));
    return same && becomes(edit, node, x);
  }),
];
