import type { Dim } from "../../ir/dim.js";
import type { NodeOf, ValueId } from "../../ir/graph/graph.js";
import type { OpName, OpOf, SectionName } from "../../ir/ops/index.js";
import type { Builder } from "./builder.js";

/** The gradient of a part of a value: that of the rest is 0. */
export interface PartGradient {
  readonly part: ValueId;
  readonly axis: number;
  readonly start: Dim;
}

/** What a node adds to the gradient of an operand. */
export type Contribution = ValueId | PartGradient;

/** The gradients of a node's results; null for one that nothing depends on. The first is there where there is only one. */
export type ResultGradients = readonly [ValueId, ...(ValueId | null)[]];

/**
 * What each operand's gradient gains, by position; null where an operand has none (indices, tables). What nobody asks for
 * is dropped from the graph.
 */
export type Rule<K extends OpName> = (
  b: Builder,
  node: NodeOf<K>,
  gradients: ResultGradients,
) => readonly (Contribution | null)[];

export type Rules<K extends OpName> = { readonly [P in K]?: Rule<P> };
/** The rules of a section of operations. */
export type Section<S extends SectionName> = Rules<OpOf<S>>;

/** An operand that the rule cannot do without. */
export function operand(node: NodeOf<OpName>, index: number): ValueId {
  const id = node.inputs[index];
  if (typeof id !== "string") throw new Error(`${node.op} lacks operand ${index}`);
  return id;
}

/** An operand that may be absent. */
export function optional(node: NodeOf<OpName>, index: number): ValueId | null {
  return node.inputs[index] ?? null;
}

/** The first result. */
export function result(node: NodeOf<OpName>): ValueId {
  const [id] = node.outputs;
  if (id === undefined) throw new Error(`${node.op} has no result`);
  return id;
}
