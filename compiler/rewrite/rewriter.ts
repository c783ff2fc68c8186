import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { type Dim, type Shape, sameShape } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import type { Graph, Node, ValueId, ValueType } from "../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../ir/ops/elementwise.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { countOf } from "../../ir/tensor.js";
import { renameAll } from "../analysis/subgraphs.js";
import { producersOf } from "../analysis/uses.js";
import { isFilledWith, numbersOf } from "../recognize/match/constants.js";
import { dependenciesFirst, pruneGraph } from "./order.js";
import { Overlay } from "./overlay.js";

/** An operation to add: what a node is before it has outputs. */
export type NodeSpec = {
  [K in OpName]: { readonly op: K; readonly inputs: readonly (ValueId | null)[]; readonly attrs: OpAttrs[K] };
}[OpName];

/**
 * A graph under recognition: values are read through the replacements made so far, new nodes are appended
 * (equal ones once), and `finish` drops what nothing needs and restores topological order.
 */
export class Rewriter {
  readonly #graph: Graph;
  readonly #reader: ByteReader;
  readonly #types: Overlay<ValueId, ValueType>;
  readonly #constants: Overlay<ValueId, Constant>;
  readonly #producers: Overlay<ValueId, Node>;
  readonly #replaced = new Map<ValueId, ValueId>();
  readonly #scalars = new Map<ValueId, number | undefined>();
  readonly #emitted = new Map<string, readonly ValueId[]>();
  /** Values that others were replaced by. */
  readonly #targets = new Set<ValueId>();
  readonly #straight = new Map<ValueId, boolean>();
  #consumers: Map<ValueId, Node[]> | undefined;
  #counter = 0;

  constructor(graph: Graph, reader: ByteReader) {
    this.#graph = graph;
    this.#reader = reader;
    this.#types = new Overlay(graph.types);
    this.#constants = new Overlay(graph.constants);
    this.#producers = new Overlay(producersOf(graph));
  }

  /** The nodes the graph had at first, in order. */
  get original(): readonly Node[] {
    return this.#graph.nodes;
  }

  get outputs(): readonly ValueId[] {
    return this.#graph.outputs;
  }

  /** What a value is now, after the replacements made so far. */
  resolve(id: ValueId): ValueId {
    let at = id;
    for (let next = this.#replaced.get(at); next !== undefined; next = this.#replaced.get(at)) at = next;
    // A long chain of replacements is gone through once.
    if (at !== id && this.#replaced.get(id) !== at) this.#replaced.set(id, at);
    return at;
  }

  /** The node that makes a value now; undefined for inputs and constants. */
  producer(id: ValueId): Node | undefined {
    return this.#producers.get(this.resolve(id));
  }

  /** Input `index` of a node, after replacements; undefined when absent. */
  input(node: Node, index: number): ValueId | undefined {
    const id = node.inputs[index];
    return id === undefined || id === null ? undefined : this.resolve(id);
  }

  /** Nodes of the original graph that read a value (under its original name). */
  consumers(id: ValueId): readonly Node[] {
    if (this.#consumers === undefined) {
      this.#consumers = new Map();
      for (const node of this.#graph.nodes) {
        for (const input of node.inputs) {
          if (input === null) continue;
          const list = this.#consumers.get(input);
          if (list === undefined) this.#consumers.set(input, [node]);
          else list.push(node);
        }
      }
    }
    return this.#consumers.get(id) ?? [];
  }

  /** Whether the value, and what is computed from it, is known to be read in one place alone until it is a result. */
  leadsStraightOn(id: ValueId): boolean {
    const chain: ValueId[] = [];
    let at = id;
    let known = this.#straight.get(at);
    while (known === undefined) {
      chain.push(at);
      const readers = this.consumers(at);
      const next = readers[0]?.outputs[0];
      if (this.#targets.has(at) || readers.length > 1 || !this.#graph.types.has(at)) known = false;
      else if (next === undefined) known = true;
      else {
        at = next;
        known = this.#straight.get(at);
      }
    }
    for (const value of chain) this.#straight.set(value, known);
    return known;
  }

  /** undefined while the rank is unknown. */
  shape(id: ValueId): Shape | undefined {
    return this.#types.get(this.resolve(id))?.shape ?? undefined;
  }

  dtype(id: ValueId): DType {
    return this.#types.get(this.resolve(id))?.dtype ?? "f32";
  }

  constant(id: ValueId): Constant | undefined {
    return this.#constants.get(this.resolve(id));
  }

  /** All elements of a constant of at most `limit` elements as numbers; undefined for anything else. */
  numbers(id: ValueId, limit: number): Float64Array | undefined {
    const constant = this.constant(id);
    return constant === undefined ? undefined : numbersOf(constant, this.#reader, limit);
  }

  /** Whether a value is a constant whose elements are all `value`. */
  isFilled(id: ValueId, value: number): boolean {
    const constant = this.constant(id);
    return constant !== undefined && isFilledWith(constant, value, this.#reader);
  }

  /** The value of a constant of one element. */
  scalar(id: ValueId): number | undefined {
    const at = this.resolve(id);
    if (!this.#scalars.has(at)) this.#scalars.set(at, this.numbers(at, 1)?.[0]);
    return this.#scalars.get(at);
  }

  /** Both operands when the value is a binary operation of this kind. */
  binary(id: ValueId, fn: BinaryFn): readonly [ValueId, ValueId] | undefined {
    const node = this.producer(id);
    if (node?.op !== "binary" || node.attrs.fn !== fn) return undefined;
    const [a, b] = [this.input(node, 0), this.input(node, 1)];
    return a === undefined || b === undefined ? undefined : [a, b];
  }

  /** The operand when the value is a unary operation of this kind. */
  unary(id: ValueId, fn: UnaryFn): ValueId | undefined {
    const node = this.producer(id);
    return node?.op === "unary" && node.attrs.fn === fn ? this.input(node, 0) : undefined;
  }

  /** Appends a node of one result, or returns the result of an equal one appended before. */
  emit(spec: NodeSpec, shape: Shape, dtype: DType = "f32"): ValueId {
    return this.emitMany(spec, [{ shape, dtype }])[0] as ValueId;
  }

  /** `emit` for several results, one type each. */
  emitMany(spec: NodeSpec, types: readonly ValueType[]): readonly ValueId[] {
    const inputs = spec.inputs.map((i) => (i === null ? null : this.resolve(i)));
    const key = JSON.stringify([spec.op, inputs, spec.attrs]);
    const known = this.#emitted.get(key);
    if (known !== undefined) return known;
    const outputs = types.map((type) => {
      const id = this.#fresh(spec.op);
      this.#types.set(id, type);
      return id;
    });
    const node: Node = { ...spec, inputs, outputs };
    for (const output of outputs) this.#producers.set(output, node);
    this.#emitted.set(key, outputs);
    return outputs;
  }

  /** Adds a constant and gives its value. */
  addConstant(constant: Constant, hint: string): ValueId {
    const id = this.#fresh(hint);
    this.#constants.set(id, constant);
    this.#types.set(id, { dtype: constant.dtype, shape: constant.shape });
    return id;
  }

  /** A reshape, or the value itself (or one that it reshapes) when that has the shape already. */
  reshape(id: ValueId, shape: Shape): ValueId {
    const from = this.shape(id);
    if (from !== undefined && sameShape(from, shape)) return this.resolve(id);
    const node = this.producer(id);
    const inner = node?.op === "reshape" ? this.input(node, 0) : undefined;
    if (inner !== undefined) return this.reshape(inner, shape);
    const key = `dims:${shape.join()}`;
    let dims = this.#emitted.get(key)?.[0];
    if (dims === undefined) {
      dims = this.addConstant(dimsConstant(shape), "shape");
      this.#emitted.set(key, [dims]);
    }
    return this.emit(
      { op: "reshape", inputs: [id, dims], attrs: { allowZero: false } },
      shape,
      this.dtype(id),
    );
  }

  /** A one-dimensional view of a constant that has more axes of size 1. */
  flatConstant(id: ValueId): ValueId {
    const at = this.resolve(id);
    const constant = this.#constants.get(at);
    if (constant === undefined || constant.shape.length === 1) return at;
    const count = countOf(constant.shape);
    const key = `flat:${at}`;
    const known = this.#emitted.get(key)?.[0];
    if (known !== undefined) return known;
    const flat = this.addConstant(
      { dtype: constant.dtype, shape: [count], source: { kind: "reshape", of: constant } },
      at,
    );
    this.#emitted.set(key, [flat]);
    return flat;
  }

  /** Lets every reader of `from` read `to`; the nodes of `from` go where nothing else needs them. */
  replace(from: ValueId, to: ValueId): void {
    const target = this.resolve(to);
    if (target === from) return;
    this.#replaced.set(from, target);
    this.#targets.add(target);
    this.#straight.clear();
  }

  /** The rewritten graph: what the outputs need, in topological order. */
  finish(): Graph {
    if (this.#replaced.size === 0) return this.#graph;
    const renamed = this.#outputNames();
    this.#forwardOutputs(renamed);
    const name = (id: ValueId): ValueId => {
      const at = this.resolve(id);
      return renamed.get(at) ?? at;
    };
    const producer = (id: ValueId) => this.#producers.get(this.resolve(id));
    const roots = this.#graph.outputs.map(producer).filter((node) => node !== undefined);
    const nodes = dependenciesFirst(roots, producer).map((node) => renameAll(node, name));
    const types = this.#types.merged();
    for (const [from, to] of renamed) {
      const type = this.#types.get(from);
      if (type !== undefined) types.set(to, type);
    }
    return pruneGraph({ ...this.#graph, types, constants: this.#constants.merged(), nodes });
  }

  /** A replaced graph output keeps its name: the new value takes it over. */
  #outputNames(): Map<ValueId, ValueId> {
    const renamed = new Map<ValueId, ValueId>();
    const outputs = new Set(this.#graph.outputs);
    for (const output of this.#graph.outputs) {
      const at = this.resolve(output);
      const free = this.#producers.has(at) && !outputs.has(at);
      if (at !== output && free && !renamed.has(at)) renamed.set(at, output);
    }
    return renamed;
  }

  /** An output that became an input, a constant or another output is a copy of that value. */
  #forwardOutputs(renamed: ReadonlyMap<ValueId, ValueId>): void {
    for (const output of this.#graph.outputs) {
      const at = this.resolve(output);
      if (at === output || renamed.get(at) === output) continue;
      const copy: Node = { op: "cast", inputs: [at], outputs: [output], attrs: { to: this.dtype(at) } };
      this.#replaced.delete(output);
      this.#producers.set(output, copy);
    }
  }

  #fresh(hint: string): ValueId {
    for (;;) {
      const id = `${hint}.${this.#counter++}`;
      if (!this.#types.has(id)) return id;
    }
  }
}

function dimsConstant(shape: readonly Dim[]): Constant {
  return { dtype: "i64", shape: [shape.length], source: { kind: "dims", dims: shape } };
}
