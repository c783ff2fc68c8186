import { elementCount, type Shape, sameShape } from "../../../ir/dim.js";
import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { reshapeTo } from "./reshape-rules.js";
import { becomes, operand, type Rule, rule } from "./rule.js";

const PLAIN = { role: null, activation: "none", gated: false } as const;

function transposeOf(edit: GraphEditor, x: ValueId, transposed: boolean): ValueId {
  return transposed ? edit.add("transpose", [x], { perm: [1, 0] }) : x;
}

function scaled(edit: GraphEditor, x: ValueId, by: number): ValueId {
  return by === 1 ? x : edit.add("binary", [x, edit.scalar(by)], { fn: "mul" });
}

/** A constant bias of the linear's width as a vector, if `c` is one. */
function biasVector(edit: GraphEditor, c: ValueId, width: Shape[number] | undefined): ValueId | undefined {
  const constant = edit.constants.get(c);
  if (constant === undefined || width === undefined) return undefined;
  if (elementCount(constant.shape) !== width || constant.shape.at(-1) !== width) return undefined;
  return reshapeTo(edit, c, [width]);
}

function asLinear(node: NodeOf<"gemm">, edit: GraphEditor): boolean {
  const { alpha, beta, transA, transB } = node.attrs;
  const weight = operand(node, 1);
  const c = node.inputs[2] ?? null;
  if (!edit.constants.has(weight) || alpha !== 1 || transA) return false;
  const rows = transposeOf(edit, weight, !transB);
  const bias = c === null || beta !== 1 ? undefined : biasVector(edit, c, edit.type(rows).shape?.[0]);
  const product = edit.add(
    "linear",
    bias === undefined ? [operand(node, 0), rows] : [operand(node, 0), rows, bias],
    PLAIN,
  );
  const done = c === null || bias !== undefined || beta === 0;
  return becomes(
    edit,
    node,
    done ? product : edit.add("binary", [product, scaled(edit, c, beta)], { fn: "add" }),
  );
}

export const LINEAR_RULES: readonly Rule[] = [
  // gemm(x, W, b) = linear(x, W or Wᵀ, b) for a constant W
  rule("gemm-to-linear", "gemm", asLinear),

  // gemm(a, b, c) = α·op(a)·op(b) + β·c
  rule("gemm-to-matmul", "gemm", (node, edit) => {
    const { alpha, beta, transA, transB } = node.attrs;
    const a = transposeOf(edit, operand(node, 0), transA);
    const b = transposeOf(edit, operand(node, 1), transB);
    const product = scaled(edit, edit.add("matmul", [a, b], {}), alpha);
    const c = node.inputs[2] ?? null;
    if (c === null || beta === 0) return becomes(edit, node, product);
    return becomes(edit, node, edit.add("binary", [product, scaled(edit, c, beta)], { fn: "add" }));
  }),

  // softmax over flattened axes = softmax over one axis of a reshaped value
  rule("softmax-flat", "softmax-flat", (node, edit) => {
    const x = operand(node, 0);
    const { shape } = edit.type(x);
    if (shape === null) return false;
    const { log } = node.attrs;
    const axis = node.attrs.axis < 0 ? node.attrs.axis + shape.length : node.attrs.axis;
    const flat = [...shape.slice(0, axis), elementCount(shape.slice(axis))];
    const soft = edit.add("softmax", [reshapeTo(edit, x, flat)], { axis, log });
    return becomes(edit, node, sameShape(flat, shape) ? soft : reshapeTo(edit, soft, shape));
  }),
];
