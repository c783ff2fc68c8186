import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, Node, NodeOf, ValueId, ValueType } from "../../ir/graph/graph.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { inferNode } from "../../ir/ops/infer.js";
import type { InferSource } from "../../ir/ops/operands.js";
import { UniqueNames } from "../../ir/unique-names.js";
import { renameAll, renameValues, valuesReadBy } from "../analysis/subgraphs.js";
import { dependenciesFirst, pruneGraph } from "./order.js";
import { intsConstant, intsOf, numbersOf, scalarConstant } from "./values.js";

/** A node and where it stands. Handles stay the same when a rewrite changes the node's operands. */
interface Slot {
  node: Node;
  /** Operands that were replaced since, applied together when the node is looked at next. */
  renames: Map<ValueId, ValueId> | undefined;
  /** Index of a result that was read when last looked at: a node may have very many. */
  witness: number;
  /** Nodes of a smaller position come first, where dependencies allow. */
  position: number;
  readonly order: number;
}

/**
 * A graph rewritten in place, by rules that apply until none does or by passes that put other nodes in the place of some:
 * constant-time access to producers and consumers, and edits that keep them up to date. Nodes that lose their last consumer
 * disappear at once. `finish` gives the new graph.
 */
export class GraphEditor {
  readonly types: Map<ValueId, ValueType>;
  readonly constants: Map<ValueId, Constant>;
  readonly inputs: readonly ValueId[];
  readonly #name: string;
  readonly #model: Graph["model"];
  readonly #slots = new Map<number, Slot>();
  readonly #producers = new Map<ValueId, number>();
  readonly #consumers = new Map<ValueId, Set<number>>();
  /** Value that each graph output now is, in order. */
  readonly #outputs: ValueId[];
  readonly #outputNames: ValueId[];
  /** Positions of each value among the outputs. */
  readonly #outputsOf = new Map<ValueId, number[]>();
  readonly #source: InferSource;
  /** Of values that are given a name; fresh ids have a ~ in theirs. */
  readonly #names: UniqueNames;
  #nextHandle = 0;
  #nextId = 0;
  #position = 0;
  #nodeName: string | undefined;
  #onChange: ((result: ValueId) => void) | undefined;

  constructor(graph: Graph) {
    this.#name = graph.name;
    this.#model = graph.model;
    this.inputs = graph.inputs;
    this.types = new Map(graph.types);
    this.constants = new Map(graph.constants);
    this.#outputs = [...graph.outputs];
    this.#outputNames = [...graph.outputs];
    for (const [i, id] of graph.outputs.entries())
      this.#outputsOf.set(id, [...(this.#outputsOf.get(id) ?? []), i]);
    this.#names = new UniqueNames(graph.types.keys());
    this.#source = {
      types: this.types,
      ints: (id) => intsOf(this, id),
      numbers: (id) => numbersOf(this, id),
    };
    for (const node of graph.nodes) {
      this.#position++;
      this.#insert(node);
    }
  }

  /** All nodes, in an order that is topological unless edits changed it; a snapshot. */
  nodes(): readonly Node[] {
    return Array.from(this.#slots.values(), current);
  }

  /** The node that computes a value; undefined for inputs and constants. */
  producer(id: ValueId | null | undefined): Node | undefined {
    const handle = id === null || id === undefined ? undefined : this.#producers.get(id);
    const slot = handle === undefined ? undefined : this.#slots.get(handle);
    return slot === undefined ? undefined : current(slot);
  }

  /** The producer if it is this op. */
  producerOf<K extends OpName>(id: ValueId | null | undefined, op: K): NodeOf<K> | undefined {
    const node = this.producer(id);
    return node !== undefined && isOp(node, op) ? node : undefined;
  }

  /** The nodes that read a value, each once. */
  consumers(id: ValueId): readonly Node[] {
    const found: Node[] = [];
    for (const handle of this.#consumers.get(id) ?? []) {
      const slot = this.#slots.get(handle);
      if (slot !== undefined) found.push(current(slot));
    }
    return found;
  }

  /** Whether some node reads the value, or it is an output. */
  isRead(id: ValueId): boolean {
    return (this.#consumers.get(id)?.size ?? 0) > 0 || this.isOutput(id);
  }

  isOutput(id: ValueId): boolean {
    return this.#outputsOf.has(id);
  }

  /** Whether exactly one node reads the value and it is no output. */
  usedOnce(id: ValueId): boolean {
    return (this.#consumers.get(id)?.size ?? 0) === 1 && !this.isOutput(id);
  }

  /** Whether the node is still part of the graph, as it is. */
  holds(node: Node): boolean {
    return this.producer(node.outputs[0]) === node;
  }

  type(id: ValueId): ValueType {
    const type = this.types.get(id);
    if (type === undefined) throw new Error(`value ${id} has no type`);
    return type;
  }

  /**
   * Calls back for every node that is new, has new operands, or reads a value with a new consumer count; with its first
   * result, which stays its name while its operands change.
   */
  onChange(callback: (result: ValueId) => void): void {
    this.#onChange = callback;
  }

  /** New nodes stand where this one stands and carry its name. */
  at(node: Node): this {
    this.#nodeName = node.name;
    this.#position = this.#slotOf(node.outputs[0])?.position ?? this.#position;
    return this;
  }

  freshId(hint: string): ValueId {
    const base = hint.replace(/~\d+$/, "");
    for (;;) {
      const id = `${base}~${this.#nextId++}`;
      if (!this.types.has(id)) return id;
    }
  }

  /** Adds a node of one result and gives the result; its type is inferred. */
  add<K extends OpName>(
    op: K,
    inputs: readonly (ValueId | null)[],
    attrs: OpAttrs[K],
    name?: string,
  ): ValueId {
    const output = this.freshId(op);
    const source = name ?? this.#nodeName;
    const base = { op, inputs, outputs: [output], attrs };
    // The union of all ops cannot be rebuilt from a generic K without saying so.
    const node = (source === undefined ? base : { ...base, name: source }) as unknown as Node;
    this.addNode(node);
    return output;
  }

  /** A new value of this type, named `base` where that is free. */
  value(base: string, type: ValueType): ValueId {
    const id = this.#names.claim(base);
    this.types.set(id, type);
    return id;
  }

  /** Adds a node whose results are new: values of known types (see `value`), or fresh ids whose types are inferred. */
  addNode(node: Node, types: readonly ValueType[] = this.#typesOf(node)): void {
    for (const [i, id] of node.outputs.entries()) {
      const type = types[i];
      if (type !== undefined) this.types.set(id, type);
    }
    this.#insert(node);
    this.#changed(node);
  }

  #typesOf(node: Node): readonly ValueType[] {
    const known = node.outputs.map((id) => this.types.get(id)).filter((type) => type !== undefined);
    return known.length === node.outputs.length ? known : inferNode(node, this.#source);
  }

  /** Adds a constant and gives its value, named `base` where that is free. */
  namedConstant(base: string, constant: Constant): ValueId {
    const id = this.value(base, { dtype: constant.dtype, shape: constant.shape });
    this.constants.set(id, constant);
    return id;
  }

  /** Adds a constant and gives its value. */
  constant(constant: Constant, hint = "const"): ValueId {
    const id = this.freshId(hint);
    this.constants.set(id, constant);
    this.types.set(id, { dtype: constant.dtype, shape: constant.shape });
    return id;
  }

  ints(values: Parameters<typeof intsConstant>[0]): ValueId {
    return this.constant(intsConstant(values), "ints");
  }

  scalar(value: number): ValueId {
    return this.constant(scalarConstant(value), "scalar");
  }

  /** Makes a value the last output. */
  addOutput(id: ValueId): void {
    this.#outputsOf.set(id, [...(this.#outputsOf.get(id) ?? []), this.#outputs.length]);
    this.#outputs.push(id);
    this.#outputNames.push(id);
  }

  /** Lets every reader of `from`, and the graph's outputs, read `to` instead. */
  replaceUses(from: ValueId, to: ValueId): void {
    if (from === to) return;
    for (const handle of [...(this.#consumers.get(from) ?? [])]) {
      const slot = this.#slots.get(handle);
      if (slot === undefined) continue;
      rename(slot, from, to);
      this.#consumersOf(to).add(handle);
      this.#changed(slot.node);
    }
    this.#consumers.delete(from);
    const positions = this.#outputsOf.get(from) ?? [];
    for (const i of positions) this.#outputs[i] = to;
    if (positions.length > 0) {
      this.#outputsOf.delete(from);
      this.#outputsOf.set(to, [...(this.#outputsOf.get(to) ?? []), ...positions]);
    }
    this.#dropIfDead(from);
  }

  /** Puts a node in place of another that computes the same values; both name the same results. */
  replaceNode(old: Node, node: Node, types: readonly ValueType[] = inferNode(node, this.#source)): void {
    const handle = this.#producers.get(old.outputs[0] ?? "");
    const slot = handle === undefined ? undefined : this.#slots.get(handle);
    if (handle === undefined || slot === undefined) throw new Error(`${old.op} is not in the graph`);
    const before = valuesReadBy(current(slot));
    slot.node = node;
    for (const id of valuesReadBy(node)) this.#consumersOf(id).add(handle);
    for (const [i, id] of node.outputs.entries()) {
      const type = types[i];
      if (type !== undefined) this.types.set(id, type);
    }
    const now = new Set(valuesReadBy(node));
    for (const id of before) {
      if (now.has(id)) continue;
      this.#consumers.get(id)?.delete(handle);
      this.#released(id);
    }
    this.#changed(node);
    for (const id of node.outputs) this.#consumersChanged(id);
  }

  /**
   * Lets a node compute what another one does, of the same types: in that one's place, or where `at` stands, as long as its
   * operands come before.
   */
  put(node: Node, at?: Node): void {
    const old = this.producer(node.outputs[0]);
    if (old === undefined) throw new Error(`nothing computes ${node.outputs[0]}`);
    const types = node.outputs.map((id) => this.type(id));
    const [slot, other] = [old, at].map((standing) => this.#slotOf(standing?.outputs[0]));
    if (slot !== undefined && other !== undefined) slot.position = other.position;
    this.replaceNode(old, node, types);
  }

  #slotOf(id: ValueId | undefined): Slot | undefined {
    const handle = this.#producers.get(id ?? "");
    return handle === undefined ? undefined : this.#slots.get(handle);
  }

  #changed(node: Node): void {
    this.#onChange?.(node.outputs[0] ?? "");
  }

  #consumersChanged(id: ValueId): void {
    for (const handle of this.#consumers.get(id) ?? []) {
      const slot = this.#slots.get(handle);
      if (slot !== undefined) this.#changed(slot.node);
    }
  }

  /** The rewritten graph: live nodes in topological order, close to the order they had. */
  finish(): Graph {
    const rename = this.#outputRenames();
    const name = (id: ValueId) => rename.get(id) ?? id;
    const sorted = this.#sorted();
    const nodes = sorted.map((node) => (rename.size === 0 ? node : renameAll(node, name)));
    const types = new Map<ValueId, ValueType>();
    const constants = new Map<ValueId, Constant>();
    const keep = (id: ValueId) => {
      const type = this.types.get(id);
      if (type !== undefined) types.set(name(id), type);
      const constant = this.constants.get(id);
      if (constant !== undefined) constants.set(name(id), constant);
    };
    for (const id of this.inputs) keep(id);
    for (const node of sorted) for (const id of [...valuesReadBy(node), ...node.outputs]) keep(id);
    for (const id of this.#outputs) keep(id);
    const outputs = this.#outputs.map(name);
    const graph = { name: this.#name, inputs: this.inputs, outputs, types, constants, nodes };
    return pruneGraph(this.#model === undefined ? graph : { ...graph, model: this.#model });
  }

  /** Outputs keep their names: the value that an output is now takes the name over. */
  #outputRenames(): Map<ValueId, ValueId> {
    const rename = new Map<ValueId, ValueId>();
    const taken = new Set<ValueId>(this.inputs);
    const names = new Set(this.#outputNames);
    for (const [i, wanted] of this.#outputNames.entries()) {
      const value = this.#outputs[i] ?? wanted;
      if (value === wanted) {
        taken.add(value);
        continue;
      }
      if (taken.has(value) || rename.has(value) || names.has(value)) {
        // Two names for one value: a cast to its own type is the copy that gives it the second name.
        this.#outputs[i] = this.add("cast", [value], { to: this.type(value).dtype });
      }
      const source = this.#outputs[i] ?? wanted;
      if (this.#producers.has(wanted)) rename.set(wanted, this.freshId(wanted));
      rename.set(source, wanted);
    }
    return rename;
  }

  #sorted(): readonly Node[] {
    const slots = [...this.#slots.values()].sort((a, b) => a.position - b.position || a.order - b.order);
    return dependenciesFirst(slots.map(current), (id) => this.producer(id));
  }

  #insert(node: Node): void {
    const handle = this.#nextHandle++;
    this.#slots.set(handle, {
      node,
      renames: undefined,
      witness: 0,
      position: this.#position,
      order: handle,
    });
    for (const id of node.outputs) this.#producers.set(id, handle);
    for (const id of valuesReadBy(node)) this.#consumersOf(id).add(handle);
  }

  #consumersOf(id: ValueId): Set<number> {
    let set = this.#consumers.get(id);
    if (set === undefined) {
      set = new Set();
      this.#consumers.set(id, set);
    }
    return set;
  }

  /** Removes the producer of a value nothing reads, and what only it read. */
  #dropIfDead(first: ValueId): void {
    const pending = [first];
    for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
      const handle = this.#producers.get(id);
      const slot = handle === undefined ? undefined : this.#slots.get(handle);
      if (handle === undefined || slot === undefined) continue;
      if (this.#isLive(slot)) continue;
      this.#slots.delete(handle);
      for (const output of slot.node.outputs) this.#producers.delete(output);
      for (const operand of valuesReadBy(current(slot))) {
        this.#consumers.get(operand)?.delete(handle);
        pending.push(operand);
        this.#notifyConsumers(operand);
      }
    }
  }

  #isLive(slot: Slot): boolean {
    const { outputs } = slot.node;
    for (let i = 0; i < outputs.length; i++) {
      const at = (slot.witness + i) % outputs.length;
      if (!this.isRead(outputs[at] ?? "")) continue;
      slot.witness = at;
      return true;
    }
    return false;
  }

  #released(id: ValueId): void {
    this.#dropIfDead(id);
    this.#notifyConsumers(id);
  }

  #notifyConsumers(id: ValueId): void {
    if (this.#onChange === undefined || this.constants.has(id)) return;
    const set = this.#consumers.get(id);
    if (set !== undefined && set.size <= 2) this.#consumersChanged(id);
  }
}

/** The node as it is now: replacements of a node with many operands are made in one go. */
function current(slot: Slot): Node {
  const { renames } = slot;
  if (renames === undefined) return slot.node;
  slot.renames = undefined;
  slot.node = renameValues(slot.node, (id) => {
    let now = id;
    for (let next = renames.get(now); next !== undefined; next = renames.get(now)) now = next;
    return now;
  });
  return slot.node;
}

/** The slot's node reads `to` wherever it reads `from`. */
function rename(slot: Slot, from: ValueId, to: ValueId): void {
  // A value that comes back must not be renamed again, so that chains of renames end.
  if (slot.renames?.has(to) === true) current(slot);
  slot.renames ??= new Map();
  slot.renames.set(from, to);
}

function isOp<K extends OpName>(node: Node | undefined, op: K): node is NodeOf<K> & Node {
  return node?.op === op;
}
