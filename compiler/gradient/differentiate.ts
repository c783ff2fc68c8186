import { isFloat } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import type { Node, ValueId } from "../../ir/graph/graph.js";
import { printNode } from "../../ir/graph/print.js";
import type { GraphEditor } from "../rewrite/graph-editor.js";
import { accumulate } from "./accumulate.js";
import { Builder } from "./builder.js";
import { RULES } from "./ops/index.js";
import type { Contribution, ResultGradients } from "./rules.js";

/**
 * Reverse mode: adds nodes to a graph that compute the gradients of a value of one element with respect to others, which may
 * be inputs, constants or computed on the way. Of existing operations only, so whatever runs graphs runs them.
 * A value that the loss does not depend on has gradient 0.
 *
 * Throws TRITC_E_GRADIENT naming the node for an operation without a gradient between a wanted value and the loss.
 */
export function differentiate(
  editor: GraphEditor,
  loss: ValueId,
  wanted: readonly ValueId[],
): ReadonlyMap<ValueId, ValueId> {
  const b = new Builder(editor);
  const nodes = editor.nodes();
  const active = dependents(editor, nodes, wanted);
  const contributions = new Map<ValueId, Contribution[]>([[loss, [b.fill(1, b.shape(loss), loss)]]]);
  const gradients = new Map<ValueId, ValueId>();
  const gradientOf = (id: ValueId): ValueId | null => {
    const known = gradients.get(id);
    if (known !== undefined) return known;
    const sum = accumulate(b, id, contributions.get(id) ?? []);
    if (sum === undefined) return null;
    gradients.set(id, sum);
    return sum;
  };
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((id) => active.has(id) && contributions.has(id))) continue;
    const [first, ...others] = node.outputs.map(gradientOf);
    const start = first ?? b.fill(0, b.shape(node.outputs[0] ?? ""), node.outputs[0]);
    for (const [i, contribution] of apply(b, node, [start, ...others]).entries()) {
      const id = node.inputs[i];
      if (typeof id !== "string" || !active.has(id)) continue;
      if (contribution === null) throw noGradient(node, i);
      contributions.set(id, [...(contributions.get(id) ?? []), contribution]);
    }
  }
  return new Map(wanted.map((id) => [id, gradientOf(id) ?? b.fill(0, b.shape(id), id)]));
}

/** The contribution to every operand; null where there is none. */
function apply(b: Builder, node: Node, gradients: ResultGradients): readonly (Contribution | null)[] {
  const rule = RULES[node.op] as
    | ((b: Builder, node: Node, gradients: ResultGradients) => readonly (Contribution | null)[])
    | undefined;
  const found = rule?.(b, node, gradients) ?? [];
  return node.inputs.map((_, i) => found[i] ?? null);
}

/** The values that change with the wanted ones, themselves included. */
function dependents(
  editor: GraphEditor,
  nodes: readonly Node[],
  wanted: readonly ValueId[],
): ReadonlySet<ValueId> {
  const active = new Set<ValueId>(wanted);
  for (const node of nodes) {
    if (!node.inputs.some((id) => id !== null && active.has(id))) continue;
    for (const id of node.outputs) if (isFloat(editor.type(id).dtype)) active.add(id);
  }
  return active;
}

function noGradient(node: Node, operand: number): TritcError {
  return new TritcError({
    code: "TRITC_E_GRADIENT",
    message: `there is no gradient of ${node.op} with respect to operand ${operand}`,
    place: printNode(node),
    expected: "operations with a gradient between the weights and the loss",
    found: node.op,
    remedy: "train a model that was exported with standard operators, and report the node printed above",
  });
}
