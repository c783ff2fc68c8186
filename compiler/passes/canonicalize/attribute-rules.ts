import type { ByteReader } from "../../../ir/constant/constant.js";
import type { Node } from "../../../ir/graph/graph.js";
import { definitionOf, OP_NAMES, type OpAttrs, type OpName } from "../../../ir/ops/index.js";
import type { ReduceFn } from "../../../ir/ops/reductions.js";
import { countOf } from "../../../ir/tensor.js";
import { intsConstant, plainIntsOf } from "../../rewrite/values.js";
import { materialize } from "../fold-constants/evaluate.js";
import { foldLazily } from "../fold-constants/lazy.js";
import { MOST_INLINE } from "../fold-constants/sweep.js";
import { becomes, normalAxis, operand, type Rule, resultOf, rule } from "./rule.js";

/** Reductions that give an element back when they reduce it alone. */
const IDENTITIES: ReadonlySet<ReduceFn> = new Set(["sum", "mean", "max", "min", "prod"]);

/** Operations with an attribute that counts the axes of operand 0. */
type AxisOp = { [K in OpName]: OpAttrs[K] extends { readonly axis: number } ? K : never }[OpName];

function hasAxis(op: OpName): op is AxisOp {
  return definitionOf(op).attrs.axis === "axis";
}

export const ATTRIBUTE_RULES: readonly Rule[] = [
  // axis −1 = axis n−1
  rule("explicit-axis", OP_NAMES.filter(hasAxis), (node, edit) => {
    const rank = edit.type(operand(node, 0)).shape?.length;
    if (node.attrs.axis >= 0 || rank === undefined) return false;
    const attrs = { ...node.attrs, axis: normalAxis(node.attrs.axis, rank) };
    edit.replaceNode(node as unknown as Node, { ...node, attrs } as unknown as Node);
    return true;
  }),

  // reduce(x) = reduce(x, [0, …, n−1]); reduce(x, [−1]) = reduce(x, [n−1])
  rule("explicit-reduction", "reduce", (node, edit) => {
    const x = operand(node, 0);
    const rank = edit.type(x).shape?.length;
    const given = node.inputs[1] ? plainIntsOf(edit, node.inputs[1]) : [];
    if (rank === undefined || given === undefined) return false;
    const idle =
      (rank === 0 || (given.length === 0 && node.attrs.noopWithEmptyAxes)) && IDENTITIES.has(node.attrs.fn);
    if (idle) return becomes(edit, node, x);
    if (given.length === 0 && node.attrs.noopWithEmptyAxes) return false;
    const all = Array.from({ length: rank }, (_, i) => i);
    const axes = given.length === 0 ? all : given.map((a) => normalAxis(a, rank)).sort((a, b) => a - b);
    const explicit = node.inputs[1] && axes.every((a, i) => a === given[i]) && !node.attrs.noopWithEmptyAxes;
    if (explicit === true || axes.length === 0) return false;
    const operands = [x, edit.constant(intsConstant(axes), "axes")];
    const reduced = edit.add("reduce", operands, { ...node.attrs, noopWithEmptyAxes: false });
    return becomes(edit, node, reduced);
  }),
];

/** Rules that make constants of operations on constants, as `fold-constants` does. */
export function constantRules(reader: ByteReader): readonly Rule[] {
  return [
    // f(c) = a constant, for every f that has a recipe
    rule("fold-constant", ["reshape", "transpose", "cast", "part", "concat", "expand"], (node, edit) => {
      if (!node.inputs.every((id) => id !== null && edit.constants.get(id) !== undefined)) return false;
      const types = node.outputs.map((id) => edit.type(id));
      const [folded] = foldLazily(node as unknown as Node, edit.constants, types) ?? [];
      if (folded === undefined) return false;
      const small = countOf(folded.shape) <= MOST_INLINE && !dependsOnSymbols(folded);
      const hint = resultOf(node);
      return becomes(edit, node, edit.constant(small ? materialize(folded, reader) : folded, hint));
    }),
  ];
}

function dependsOnSymbols({ source }: Parameters<typeof materialize>[0]): boolean {
  if (source.kind === "dims") return source.dims.some((d) => typeof d !== "number");
  if (source.kind === "concat") return source.of.some(dependsOnSymbols);
  return "of" in source ? dependsOnSymbols(source.of) : false;
}
