import type { Constant } from "../constant/constant.js";
import type { Dim, Shape } from "../dim.js";
import type { DType } from "../dtype.js";
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

/** The part each graph input plays in a FLUX transformer. */
export type InputRole =
  | "latents" // [B, img_tokens, in_channels]
  | "context" // [B, txt_tokens, joint_attention_dim]
  | "pooled" // [B, pooled_dim]
  | "timestep" // [B], sigma in (0, 1]
  | "guidance" // [B]
  | "img-ids" // [img_tokens, 3] or [B, img_tokens, 3]
  | "txt-ids"; // [txt_tokens, 3] or [B, txt_tokens, 3]

/** A FLUX transformer as found by structure. */
export interface ModelDescription {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  readonly heads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly contextDim: number;
  readonly pooledDim: number;
  readonly guidance: boolean;
  /** What sigma and the guidance scale are multiplied with for the model: 1, or 1000 where the graph leaves that to its caller. */
  readonly timestepScale: number;
  readonly guidanceScale: number;
  /** Channels of a head that each id axis rotates; sums to headDim. */
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
  /** Graph input → role. */
  readonly roles: Readonly<Record<ValueId, InputRole>>;
  /** Parameters of the whole graph and of the block linears (weights only), and their ratio. */
  readonly parameters: number;
  readonly blockLinearWeights: number;
}

/** The dims that symbols get once roles are known. */
export const IMG_TOKENS: Dim = "img_tokens";
export const TXT_TOKENS: Dim = "txt_tokens";
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
