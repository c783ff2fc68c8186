import type { Constant } from "../constant/constant.js";
import type { Dim, Shape } from "../dim.js";
import type { DType } from "../dtype.js";
import type { ModelDescription } from "../models/index.js";
import type { OpAttrs, OpName } from "../ops/index.js";

/** Names a value within its graph; unique, also across subgraphs. */
export type ValueId = string;

/** What is known of a value. `shape` is null while the rank is unknown. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape | null;
  /** A sequence of tensors of this element type (ONNX sequence ops); such values never reach a program. */
  readonly sequence?: true;
}

/** One operation. `inputs` holds null where an optional operand is absent. */
export interface NodeOf<K extends OpName> {
  readonly op: K;
  readonly inputs: readonly (ValueId | null)[];
  readonly outputs: readonly ValueId[];
  readonly attrs: OpAttrs[K];
  /** Name of the node in the source file, for messages only: nothing is ever recognized by it. */
  readonly name?: string;
}

/** The discriminated union of all operations. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];

/**
 * Tensor-level SSA graph. `nodes` are in topological order; every value has one producer: an input, a
 * constant, or a node. Immutable: passes make new graphs.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  /** Types of all values: inputs, constants and node outputs. */
  readonly types: ReadonlyMap<ValueId, ValueType>;
  readonly constants: ReadonlyMap<ValueId, Constant>;
  readonly nodes: readonly Node[];
  /** What `describe-model` found; absent before it and for graphs that are not a FLUX transformer. */
  readonly model?: ModelDescription;
}

/** Rows of step-invariant values: one per sampling step. */
export const STEPS: Dim = "steps";

/** The type of a value, which every value of a verified graph has. */
export function typeOf(graph: Graph, id: ValueId): ValueType {
  const type = graph.types.get(id);
  if (type === undefined) throw new Error(`value ${id} has no type`);
  return type;
}

/** Shape of a value whose rank is known; throws otherwise (a bug: shape inference runs first). */
export function shapeOf(graph: Graph, id: ValueId): Shape {
  const { shape } = typeOf(graph, id);
  if (shape === null) throw new Error(`the shape of value ${id} is unknown`);
  return shape;
}

/** The element type of a value. */
export function dtypeOf(graph: Graph, id: ValueId): DType {
  return typeOf(graph, id).dtype;
}

/** Graphs that a node holds: branches and loop bodies. */
export function subgraphsOf(node: Node): readonly Graph[] {
  if (node.op === "if") return [node.attrs.thenBranch, node.attrs.elseBranch];
  if (node.op === "loop" || node.op === "scan") return [node.attrs.body];
  return [];
}
