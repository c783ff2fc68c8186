import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { OpName } from "../../../ir/ops/index.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";

/** One equation, read from left to right. */
export interface Rule {
  readonly name: string;
  /** Ops at the root of its left side. */
  readonly ops: readonly OpName[];
  /** Rewrites the node if the left side matches; whether it did. */
  apply(node: Node, edit: GraphEditor): boolean;
}

export function rule<K extends OpName>(
  name: string,
  ops: K | readonly K[],
  apply: (node: NodeOf<K>, edit: GraphEditor) => boolean,
): Rule {
  const list: readonly K[] = typeof ops === "string" ? [ops] : ops;
  // The driver calls a rule with nodes of its own ops only, which the type of Rule cannot say.
  return { name, ops: list, apply: (node, edit) => apply(node as unknown as NodeOf<K>, edit) };
}

/** The value takes the place of the node's first result. */
export function becomes(
  edit: GraphEditor,
  node: { readonly outputs: readonly ValueId[] },
  value: ValueId,
): true {
  edit.replaceUses(resultOf(node), value);
  return true;
}

/** A node's first result. */
export function resultOf(node: { readonly outputs: readonly ValueId[] }): ValueId {
  const [id] = node.outputs;
  if (id === undefined) throw new Error("a node has at least one result");
  return id;
}

/** Operand `i`, which the op requires. */
export function operand(
  node: { readonly op: string; readonly inputs: readonly (ValueId | null)[] },
  i: number,
): ValueId {
  const id = node.inputs[i];
  if (id === null || id === undefined) throw new Error(`${node.op} has no operand ${i}`);
  return id;
}

/** An axis in [0, rank). */
export function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
