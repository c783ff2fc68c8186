import type { Dim, Shape } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import { dtypeOf, type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { OpAttrs, OpName, OpOf, SectionName } from "../../ir/ops/index.js";
import type { DimWriter } from "./dims.js";
import { refuseExport } from "./errors.js";
import type { Attributes, Name, OnnxWriter } from "./writer.js";

/** What a rule gives: the value of the first output, or of each. `null`: an output that float arithmetic has no use for. */
export type Written = Name | readonly (Name | null)[];

/** How an operation is spelled in ONNX operators. */
export type Rule<K extends OpName> = (n: Operands, attrs: OpAttrs[K]) => Written;
export type Rules = { readonly [K in OpName]?: Rule<K> };
/** Rules for a section of operations, all of them. */
export type Section<S extends SectionName> = { readonly [K in OpOf<S>]: Rule<K> };

/** Gives ONNX names for values of the source graph. */
export interface Values {
  readonly graph: Graph;
  readonly writer: OnnxWriter;
  readonly dims: DimWriter;
  /** The ONNX name of a value: a tensor of the file, or what a node before computed. */
  name(id: ValueId): Name;
  /** A ternary weight as a float matrix f32 [out, in]. */
  ternaryWeight(codes: ValueId, scales: ValueId): Name;
}

/** The node being written: its operands as ONNX names, and the operators to spell it with. */
export class Operands {
  constructor(
    readonly values: Values,
    readonly node: Node,
  ) {}

  get writer(): OnnxWriter {
    return this.values.writer;
  }

  op(type: string, inputs: readonly (Name | null)[], attributes: Attributes = {}): Name {
    return this.writer.op(type, inputs, attributes);
  }

  /** The value that is operand `index`. */
  id(index: number): ValueId {
    const id = this.node.inputs[index];
    if (typeof id !== "string") throw new Error(`${this.node.op} has no operand ${index}`);
    return id;
  }

  has(index: number): boolean {
    return typeof this.node.inputs[index] === "string";
  }

  input(index: number): Name {
    return this.values.name(this.id(index));
  }

  optional(index: number): Name | null {
    return this.has(index) ? this.input(index) : null;
  }

  /** All operands from `first` on. */
  rest(first = 0): readonly (Name | null)[] {
    return this.node.inputs.slice(first).map((_, i) => this.optional(first + i));
  }

  dtype(index: number): DType {
    return dtypeOf(this.values.graph, this.id(index));
  }

  shape(index: number): Shape {
    const { shape } = this.values.graph.types.get(this.id(index)) ?? { shape: null };
    if (shape === null)
      throw this.refuse("the rank of an operand is not known", `operand ${index} of unknown rank`);
    return shape;
  }

  rank(index: number): number {
    return this.shape(index).length;
  }

  /** Size of the last axis, a number. */
  channels(index: number): number {
    const size = this.shape(index).at(-1);
    if (typeof size !== "number")
      throw this.refuse("the width of an operand is not known", `${size} channels`);
    return size;
  }

  /** Type of output `index`. */
  outDtype(index = 0): DType {
    return dtypeOf(this.values.graph, this.node.outputs[index] ?? "");
  }

  outShape(index = 0): Shape {
    return shapeOf(this.values.graph, this.node.outputs[index] ?? "");
  }

  /** Operand `index` in another element type. */
  as(index: number, dtype: DType): Name {
    return this.writer.cast(this.input(index), this.dtype(index), dtype);
  }

  integers(...values: readonly number[]): Name {
    return this.writer.integers(values);
  }

  dimensions(dims: readonly Dim[]): Name {
    return this.values.dims.list(dims);
  }

  /** Reshape: 0 keeps the size of the axis at its place, one -1 is inferred. */
  reshape(x: Name, sizes: readonly number[]): Name {
    return this.op("Reshape", [x, this.integers(...sizes)]);
  }

  transpose(x: Name, perm: readonly number[]): Name {
    return this.op("Transpose", [x], { perm: { ints: perm } });
  }

  unsqueeze(x: Name, ...axes: readonly number[]): Name {
    return axes.length === 0 ? x : this.op("Unsqueeze", [x, this.integers(...axes)]);
  }

  /** Elements [start, start + length) of an axis. */
  part(x: Name, axis: number, start: number, length: number): Name {
    const [from, to, at] = [this.integers(start), this.integers(start + length), this.integers(axis)];
    return this.op("Slice", [x, from, to, at]);
  }

  refuse(message: string, found: string): Error {
    const { name, op, outputs } = this.node;
    return refuseExport(message, found, `${op} ${name ?? outputs[0] ?? ""}`.trim());
  }
}

/** Applies the rule for the node's operation, or gives undefined where there is none. */
export function applyRule(rules: Rules, n: Operands): Written | undefined {
  const { op, attrs } = n.node;
  return dispatch(rules, n, { op, attrs } as NodeOf<OpName>);
}

function dispatch<K extends OpName>(
  rules: Rules,
  n: Operands,
  node: Pick<NodeOf<K>, "op" | "attrs">,
): Written | undefined {
  const rule: Rule<K> | undefined = rules[node.op];
  return rule?.(n, node.attrs);
}
