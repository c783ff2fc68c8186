import type { Constant } from "../../../ir/constant/constant.js";
import type { Node, ValueId } from "../../../ir/graph/graph.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { scalarOf } from "../../rewrite/values.js";
import { transposed } from "../fold-constants/lazy.js";
import { becomes, operand, type Rule, rule } from "./rule.js";

/** x·W for a constant matrix W [in, out]. */
interface Product {
  readonly node: Node;
  readonly x: ValueId;
  readonly weight: Constant;
}

function productOf(edit: GraphEditor, id: ValueId | null | undefined, biased: boolean): Product | undefined {
  const node = edit.producer(id);
  if (node?.op !== "matmul" && node?.op !== "linear") return undefined;
  const weight = edit.constants.get(operand(node, 1));
  if (weight?.shape.length !== 2 || weight.dtype !== "f32") return undefined;
  if (node.op === "matmul") return { node, x: operand(node, 0), weight };
  if (node.attrs.activation !== "none" || (node.inputs.length > 2 && !biased)) return undefined;
  return { node, x: operand(node, 0), weight: transposed(weight) };
}

/** A value as a number times another value. */
function unscaled(edit: GraphEditor, id: ValueId): { readonly of: ValueId; readonly by: number } {
  const node = edit.producerOf(id, "binary");
  if (node?.attrs.fn === "mul" || node?.attrs.fn === "div") {
    for (const at of node.attrs.fn === "mul" ? [0, 1] : [1]) {
      const by = scalarOf(edit, node.inputs[at]);
      const of = operand(node, 1 - at);
      const same = edit.type(of).shape?.length === edit.type(id).shape?.length;
      if (by !== undefined && same && edit.usedOnce(of)) {
        return { of, by: node.attrs.fn === "mul" ? by : 1 / by };
      }
    }
  }
  return { of: id, by: 1 };
}

/** The product with another weight [in, out]. */
function withWeight(edit: GraphEditor, { node, x }: Product, weight: Constant): ValueId {
  if (node.op !== "linear") return edit.add("matmul", [x, edit.constant(weight)], {});
  const rows = edit.constant(transposed(weight));
  return edit.add("linear", node.inputs.with(1, rows), node.attrs);
}

export const LOW_RANK_RULES: readonly Rule[] = [
  // (x·W + b) + s·((x·A)·B) = x·(W + s·A·B) + b: an adapter that an export has beside its layer
  rule("low-rank-update", "binary", (node, edit) => {
    if (node.attrs.fn !== "add") return false;
    for (const [base, update] of [
      [operand(node, 0), operand(node, 1)],
      [operand(node, 1), operand(node, 0)],
    ] as const) {
      const { of, by } = unscaled(edit, update);
      const up = productOf(edit, of, false);
      const down = productOf(edit, up?.x, false);
      if (up === undefined || down === undefined || !edit.usedOnce(update) || !edit.usedOnce(base)) continue;
      const sum = edit.producerOf(base, "binary");
      const bias =
        sum?.attrs.fn === "add" ? sum.inputs.find((id) => edit.constants.has(id ?? "")) : undefined;
      const plain = bias == null ? base : sum?.inputs.find((id) => id !== bias);
      const whole = productOf(edit, plain, true);
      if (whole?.x !== down.x || (bias != null && !edit.usedOnce(plain ?? ""))) continue;
      const source = {
        kind: "low-rank",
        of: whole.weight,
        up: down.weight,
        down: up.weight,
        scale: by,
      } as const;
      const product = withWeight(edit, whole, { ...whole.weight, source });
      return becomes(edit, node, bias == null ? product : edit.add("binary", [product, bias], { fn: "add" }));
    }
    return false;
  }),
];
