import type { Constant } from "../../ir/constant/constant.js";
import type { DType } from "../../ir/dtype.js";
import type { Graph, NodeOf, ValueId, ValueType } from "../../ir/graph/graph.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { AttributeReader } from "./attribute-reader.js";
import { type GraphBuilder, type Scope, typed } from "./builder.js";
import { f32Constant, i64Constant, scalarConstant } from "./constants.js";
import { invalid, unsupported } from "./errors.js";
import type { OnnxAttribute, OnnxGraph, OnnxNode } from "./model.js";

/** More dimensions than any tensor has: bounds axes of values whose rank is not known yet. */
const MAX_RANK = 64;

/** Imports a subgraph; `operands` are the types of its inputs where the operator knows them. */
export type ImportBody = (graph: OnnxGraph, operands: readonly (ValueType | null)[], place: string) => Graph;

export interface OperationContext {
  readonly builder: GraphBuilder;
  readonly scope: Scope;
  /** Version of the node's operator set. */
  readonly opset: number;
  /** Attributes of the function call that the node is in. */
  readonly callAttributes: ReadonlyMap<string, OnnxAttribute> | null;
  /** True in the main graph, whose values have their ONNX names as ids. */
  readonly keepNames: boolean;
  readonly isGraphOutput: (name: string) => boolean;
  readonly importBody: ImportBody;
}

/**
 * One ONNX node as the operator functions see it: typed access to operands and attributes, and the
 * emission of IR nodes. It notes what was read, so that a node with operands or attributes that its
 * operator does not have is refused rather than half understood.
 */
export class Operation extends AttributeReader {
  readonly opset: number;
  private operandsRead = 0;

  constructor(
    node: OnnxNode,
    private readonly context: OperationContext,
  ) {
    super(node, context.callAttributes);
    this.opset = context.opset;
  }

  // Operands

  /** A required operand. */
  input(index: number): ValueId {
    const id = this.optional(index);
    if (id === null) {
      throw invalid(this.place, `operand ${index} is missing`, {
        expected: `at least ${index + 1} operands`,
        found: `${this.node.inputs.length}`,
      });
    }
    return id;
  }

  /** An operand that may be absent. */
  optional(index: number): ValueId | null {
    this.operandsRead = Math.max(this.operandsRead, index + 1);
    const name = this.node.inputs[index];
    if (name === undefined || name === "") return null;
    const id = this.context.scope.lookup(name);
    if (id === undefined) throw invalid(this.place, `the operand "${name}" is not a value of the graph`);
    return id;
  }

  /** A required operand that counts entries of an axis. */
  indices(index: number): ValueId {
    const id = this.input(index);
    this.requireType(id, ["i64", "i32"]);
    return id;
  }

  /** All operands from `start` on; none may be absent. */
  rest(start: number, atLeast = 0): readonly ValueId[] {
    const ids: ValueId[] = [];
    for (let k = start; k < Math.max(this.node.inputs.length, start + atLeast); k++) ids.push(this.input(k));
    return ids;
  }

  dtype(id: ValueId): DType {
    return this.type(id).dtype;
  }

  type(id: ValueId): ValueType {
    return this.context.builder.typeOf(id);
  }

  /** The number of dimensions of a value, where it is known already. */
  rank(id: ValueId): number | undefined {
    return this.type(id).shape?.length;
  }

  constantOf(id: ValueId): Constant | undefined {
    return this.context.builder.constantOf(id);
  }

  /** Refuses operands of different element types. Absent operands fit. */
  sameType(...ids: readonly (ValueId | null)[]): void {
    let first: ValueId | null = null;
    for (const id of ids) {
      if (id === null) continue;
      first ??= id;
      if (this.dtype(id) === this.dtype(first)) continue;
      throw invalid(this.place, "the operands have different element types", {
        expected: `"${id}" of type ${this.dtype(first)}, as "${first}"`,
        found: this.dtype(id),
      });
    }
  }

  /** Refuses an operand whose element type the operator does not take. */
  requireType(id: ValueId, allowed: readonly DType[]): void {
    if (this.type(id).sequence) throw invalid(this.place, `the operand "${id}" is a sequence, not a tensor`);
    if (allowed.includes(this.dtype(id))) return;
    throw invalid(this.place, `the operand "${id}" has the wrong element type`, {
      expected: allowed.join(" or "),
      found: this.dtype(id),
    });
  }

  // Attributes that depend on operands

  /** An axis of `x`; refused when the rank is known and the axis is not in −rank … rank − 1. */
  axis(name: string, x: ValueId, fallback?: number, extra = 0): number {
    const axis = this.int(name, fallback);
    const rank = this.rank(x) ?? MAX_RANK;
    if (axis < -rank - extra || axis >= rank + extra) {
      throw invalid(this.place, `the ${name} is out of range for the operand "${x}"`, {
        expected: `${-rank - extra} to ${rank + extra - 1}`,
        found: `${axis}`,
      });
    }
    return axis;
  }

  /** Whether the node asks for its output `index`. */
  wants(index: number): boolean {
    const name = this.node.outputs[index];
    return name !== undefined && name !== "";
  }

  get outputCount(): number {
    return this.node.outputs.length;
  }

  // Emission

  /** A node for an intermediate value. The type is that of the first operand unless given. */
  emit<K extends OpName>(
    op: K,
    inputs: readonly (ValueId | null)[],
    attrs: OpAttrs[K],
    dtype?: DType,
  ): ValueId {
    const id = this.fresh();
    this.add({ op, inputs, outputs: [id], attrs, ...this.label() }, [typed(dtype ?? this.firstType(inputs))]);
    return id;
  }

  /** A node with several intermediate values. */
  emitAll<K extends OpName>(
    op: K,
    inputs: readonly (ValueId | null)[],
    attrs: OpAttrs[K],
    types: readonly ValueType[],
  ): readonly ValueId[] {
    const outputs = types.map(() => this.fresh());
    this.add({ op, inputs, outputs, attrs, ...this.label() }, types);
    return outputs;
  }

  /** The node whose value is output 0. */
  result<K extends OpName>(
    op: K,
    inputs: readonly (ValueId | null)[],
    attrs: OpAttrs[K],
    dtype?: DType,
  ): void {
    this.results(op, inputs, attrs, [typed(dtype ?? this.firstType(inputs))]);
  }

  /** The node whose values are all outputs of this one, in order. */
  results<K extends OpName>(
    op: K,
    inputs: readonly (ValueId | null)[],
    attrs: OpAttrs[K],
    types: readonly ValueType[],
  ): void {
    const outputs = types.map((_, k) => this.define(k));
    this.add({ op, inputs, outputs, attrs, ...this.label() }, types);
  }

  /** Output `index` is a value that exists already. */
  forward(index: number, id: ValueId): void {
    if (!this.wants(index)) return;
    const name = this.node.outputs[index] ?? "";
    if (!this.context.isGraphOutput(name) || this.type(id).sequence) {
      this.context.scope.bind(name, id);
      return;
    }
    // An output of the model keeps its name, so it needs a node of its own.
    const type = this.type(id);
    const node = { op: "cast", inputs: [id], attrs: { to: type.dtype } } as const;
    this.add({ ...node, outputs: [this.define(index)], ...this.label() }, [type]);
  }

  /** Output 0 is a constant. */
  resultConstant(constant: Constant): void {
    this.context.builder.addConstant(this.define(0), constant);
  }

  /** A constant operand. */
  constant(constant: Constant): ValueId {
    return this.context.builder.addConstant(this.fresh(), constant);
  }

  i64(values: readonly (number | bigint)[]): ValueId {
    return this.constant(i64Constant(values.map(BigInt)));
  }

  f32(values: readonly number[]): ValueId {
    return this.constant(f32Constant(values));
  }

  i64Scalar(value: number): ValueId {
    return this.constant(scalarConstant(value, "i64"));
  }

  /** A scalar of a given type. */
  scalar(value: number, dtype: DType): ValueId {
    return this.constant(scalarConstant(value, dtype));
  }

  cast(x: ValueId, to: DType): ValueId {
    return this.dtype(x) === to ? x : this.emit("cast", [x], { to }, to);
  }

  body(name: string, operands: readonly (ValueType | null)[]): Graph {
    return this.context.importBody(this.graph(name), operands, `${this.place}, ${name}`);
  }

  refuse(message: string, found?: string): never {
    throw unsupported(this.place, message, found === undefined ? {} : { found });
  }

  fail(message: string, expected: string, found: string): never {
    throw invalid(this.place, message, { expected, found });
  }

  /** After import: everything the node has must have been used. */
  finish(): void {
    const extra = this.node.inputs.findIndex((name, k) => k >= this.operandsRead && name !== "");
    if (extra >= 0) {
      throw invalid(this.place, "the node has more operands than its operator takes", {
        expected: `at most ${this.operandsRead}`,
        found: `${this.node.inputs.length}`,
      });
    }
    const unread = this.unreadAttribute();
    if (unread !== undefined) {
      throw invalid(this.place, `the operator has no attribute "${unread}" in opset ${this.opset}`);
    }
    this.node.outputs.forEach((name, k) => {
      if (name === "" || this.context.scope.owns(name)) return;
      throw unsupported(this.place, `output ${k} ("${name}") of the operator is not supported`);
    });
  }

  private add<K extends OpName>(node: NodeOf<K>, types: readonly ValueType[]): void {
    this.context.builder.addNode(node, types);
  }

  private define(index: number): ValueId {
    const name = this.node.outputs[index] ?? "";
    if (name === "") return this.fresh();
    const id = this.context.keepNames ? name : this.context.builder.names.claim(name);
    this.context.scope.bind(name, id);
    return id;
  }

  private fresh(): ValueId {
    const base = this.node.outputs.find((name) => name !== "") ?? this.node.op;
    return this.context.builder.names.claim(base);
  }

  private label(): { readonly name?: string } {
    return this.node.name === "" ? {} : { name: this.node.name };
  }

  private firstType(inputs: readonly (ValueId | null)[]): DType {
    const first = inputs.find((id) => id !== null);
    if (first === undefined || first === null)
      throw new Error(`${this.place}: no operand to take the type from`);
    return this.dtype(first);
  }
}

/** Imports one node: reads it through `Operation`, and emits IR nodes that define its outputs. */
export type OperatorImporter = (n: Operation) => void;
