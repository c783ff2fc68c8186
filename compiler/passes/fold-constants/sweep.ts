import type { ByteReader, Constant } from "../../../ir/constant/constant.js";
import type { Dim } from "../../../ir/dim.js";
import { type DType, isFloat } from "../../../ir/dtype.js";
import { TritcError } from "../../../ir/errors.js";
import { type Graph, type Node, subgraphsOf, type ValueId, type ValueType } from "../../../ir/graph/graph.js";
import { definitionOf } from "../../../ir/ops/index.js";
import { inferNode } from "../../../ir/ops/infer.js";
import type { InferSource } from "../../../ir/ops/operands.js";
import { countOf } from "../../../ir/tensor.js";
import { renameValues } from "../../analysis/subgraphs.js";
import { dimsOf, elementsOf, floatsConstant, intsConstant } from "../../rewrite/values.js";
import type { Equation } from "./equations.js";
import { evaluateNode, materialize } from "./evaluate.js";
import { castConstant, foldLazily } from "./lazy.js";
import { dimsConstant, inSinglePrecision, isBulky } from "./operands.js";
import { evaluateSymbolically, MOST_SYMBOLIC, type Symbolic } from "./symbolic.js";

/** Operands and results larger than this are weights: no pass computes with them. */
const MOST_EVALUATED = 1 << 20;

/** Constants up to this size are stored inline, where every pass can read them without a ByteReader. */
export const MOST_INLINE = 4096;

/** Elements that all evaluations together may read and write, beyond those of small constants. */
const MOST_WORK = 1 << 26;

/** Nested loops multiply; a model needs nowhere near as many operations. */
const MOST_UNROLLED = 20_000;

/** Puts other nodes, or none, in the place of one; false where it leaves the node. */
export type Dissolver = (sweep: Sweep, node: Node) => boolean;

/**
 * One forward sweep: visits nodes in order and emits those that have to run. What is known of a value is
 * one of: a constant, symbolic elements, a sequence of values, another value that it equals, or a type.
 */
export class Sweep {
  readonly types = new Map<ValueId, ValueType>();
  readonly constants = new Map<ValueId, Constant>();
  readonly sequences = new Map<ValueId, readonly ValueId[]>();
  readonly nodes: Node[] = [];
  readonly equations: Equation[] = [];
  readonly #symbolic = new Map<ValueId, Symbolic>();
  readonly #same = new Map<ValueId, ValueId>();
  readonly #ints = new Map<ValueId, readonly Dim[] | undefined>();
  readonly #singlePrecision = new Map<ValueId, ValueId>();
  readonly #reader: ByteReader;
  readonly #source: InferSource = {
    types: this.types,
    ints: (id) => this.ints(id),
    numbers: (id) => this.numbers(id),
    equate: (a, b) => this.equations.push({ kind: "equal", a, b }),
    multiple: (a, of) => this.equations.push({ kind: "multiple", a, of }),
  };
  #next = 0;
  #work = 0;
  #unrolled = 0;
  /** The outermost loop that is being unrolled. */
  #loop: Node | undefined;

  /** @param dissolvers tried on every node first: true where what they visited in its place defines its results */
  constructor(
    reader: ByteReader,
    private readonly dissolvers: readonly Dissolver[],
  ) {
    this.#reader = reader;
  }

  /** A value that the graph gets from outside, or a constant of it. Float inputs are computed with in f32. */
  defineInput(id: ValueId, type: ValueType): void {
    this.types.set(id, isFloat(type.dtype) ? { ...type, dtype: "f32" } : type);
  }

  defineConstant(id: ValueId, constant: Constant): void {
    this.constants.set(id, constant);
    this.types.set(id, { dtype: constant.dtype, shape: constant.shape });
  }

  /** A new constant. */
  constant(constant: Constant, hint = "folded"): ValueId {
    const id = this.freshId(hint);
    this.defineConstant(id, constant);
    return id;
  }

  freshId(hint: string): ValueId {
    const base = hint.replace(/~\d+$/, "");
    for (;;) {
      const id = `${base}~${this.#next++}`;
      if (!this.types.has(id)) return id;
    }
  }

  /** Records that two values are the same. */
  alias(id: ValueId, to: ValueId): void {
    this.#same.set(id, this.resolve(to));
  }

  resolve(id: ValueId): ValueId {
    return this.#same.get(id) ?? id;
  }

  /** Known elements of an integer value. */
  ints(id: ValueId): readonly Dim[] | undefined {
    const value = this.resolve(id);
    const symbolic = this.#symbolic.get(value);
    if (symbolic !== undefined) return symbolic.elements;
    if (this.#ints.has(value)) return this.#ints.get(value);
    const constant = this.constants.get(value);
    if (constant === undefined) return undefined;
    const ints = isFloat(constant.dtype) ? undefined : this.#elements(constant);
    this.#ints.set(value, ints);
    return ints;
  }

  numbers(id: ValueId): readonly number[] | undefined {
    const constant = this.constants.get(this.resolve(id));
    const elements = constant === undefined ? undefined : this.#elements(constant);
    return elements?.every((d) => typeof d === "number") ? (elements as readonly number[]) : undefined;
  }

  #elements(constant: Constant): readonly Dim[] | undefined {
    const dims = dimsOf(constant);
    if (dims !== undefined) return dims;
    if (countOf(constant.shape) > MOST_SYMBOLIC) return undefined;
    return elementsOf(constant) ?? elementsOf(materialize(constant, this.#reader));
  }

  infer(node: Node): readonly ValueType[] {
    return inferNode(node, this.#source);
  }

  visit(original: Node): void {
    if (this.#loop !== undefined && ++this.#unrolled > MOST_UNROLLED) throw tooLarge(this.#loop);
    const node = renameValues(original, (id) => this.resolve(id));
    if (this.dissolvers.some((dissolve) => dissolve(this, node))) return;
    if (this.#foldShape(node)) return;
    const types = this.infer(node);
    const folds = !isPartByUnknown(node);
    if (folds && (this.#foldConstant(node, types) || this.#foldSymbolic(node, types))) return;
    this.emit(node);
  }

  /** Runs what unrolls a loop; what it visits counts. */
  unrolling<T>(loop: Node, unroll: () => T): T {
    const outer = this.#loop;
    this.#loop ??= loop;
    try {
      return unroll();
    } finally {
      this.#loop = outer;
    }
  }

  /** Shape and Size of a value of known shape. */
  #foldShape(node: Node): boolean {
    const [output] = node.outputs;
    if ((node.op !== "shape" && node.op !== "size") || output === undefined) return false;
    const shape = this.types.get(node.inputs[0] ?? "")?.shape;
    if (shape === undefined || shape === null) return false;
    if (node.op === "shape") {
      const elements = shape.slice(node.attrs.start, node.attrs.end ?? undefined);
      this.#know(output, { dtype: "i64", shape: [elements.length], elements });
      return true;
    }
    const folded = evaluateSymbolically(
      {
        op: "reduce",
        inputs: [],
        outputs: [output],
        attrs: { fn: "prod", keepDims: false, noopWithEmptyAxes: false },
      },
      [{ dtype: "i64", shape: [shape.length], elements: shape }],
      [{ dtype: "i64", shape: [] }],
    );
    const [count] = folded ?? [];
    if (count === undefined) return false;
    this.#know(output, count);
    return true;
  }

  #foldConstant(node: Node, types: readonly ValueType[]): boolean {
    const operands = new Map<ValueId, Constant>();
    for (const id of node.inputs) {
      if (id === null) continue;
      const constant = this.constants.get(id);
      if (constant === undefined || dimsOf(constant) !== undefined) return false;
      operands.set(id, constant);
    }
    if (subgraphsOf(node).length > 0 || node.inputs.length === 0) return false;
    let most = 0;
    for (const { shape } of operands.values()) most = Math.max(most, countOf(shape));
    for (const type of types) most = Math.max(most, knownCount(type));
    const folded =
      (most > MOST_INLINE ? foldLazily(node, operands, types) : undefined) ??
      (most <= MOST_EVALUATED && this.#affords(node, most, operands.size)
        ? evaluateNode(node, operands, types, this.#reader)
        : undefined);
    if (folded === undefined) return false;
    for (const [i, constant] of folded.entries()) {
      const id = node.outputs[i];
      if (id !== undefined && id !== "") this.defineConstant(id, constant);
    }
    return true;
  }

  /** Whether there is work left for an evaluation: chains of large constants stay in the graph. */
  #affords(node: Node, most: number, operands: number): boolean {
    const { work: kind } = definitionOf(node.op).traits;
    if (most <= MOST_INLINE && kind === "elements") return true;
    // A product of matrices does at most √(|a|·|b|·|c|) multiplications, other contractions at most |a|·|b|.
    const work = kind === "elements" ? most * operands : kind === "matrix product" ? most ** 1.5 : most ** 2;
    if (work > MOST_WORK - this.#work) return false;
    this.#work += work;
    return true;
  }

  #foldSymbolic(node: Node, types: readonly ValueType[]): boolean {
    const operands = node.inputs.map((id) => (id === null ? undefined : this.#symbolicOf(id)));
    if (node.op === "constant-of-shape") return this.#foldFilled(node.outputs, node.attrs, operands[0]);
    if (node.inputs.some((id, i) => id !== null && operands[i] === undefined)) return false;
    if (types.some((t) => t.shape === null || knownCount(t) > MOST_SYMBOLIC)) return false;
    const results = evaluateSymbolically(node, operands, types);
    if (results === undefined) return false;
    for (const [i, result] of results.entries()) {
      const id = node.outputs[i];
      if (id !== undefined) this.#know(id, result);
    }
    return true;
  }

  /** ConstantOfShape(s) = Expand(value, s) where s has symbols. */
  #foldFilled(
    outputs: readonly ValueId[],
    attrs: { readonly value: number; readonly dtype: DType },
    shape: Symbolic | undefined,
  ): boolean {
    const [output] = outputs;
    if (shape === undefined || output === undefined) return false;
    const fill = { kind: "fill", value: attrs.value } as const;
    const value = this.constant({ dtype: attrs.dtype, shape: [], source: fill }, output);
    const dims = this.constant(intsConstant(shape.elements), output);
    this.emit({ op: "expand", inputs: [value, dims], outputs: [output], attrs: {} });
    return true;
  }

  #symbolicOf(id: ValueId): Symbolic | undefined {
    const known = this.#symbolic.get(id);
    if (known !== undefined) return known;
    const constant = this.constants.get(id);
    if (constant === undefined || countOf(constant.shape) > MOST_SYMBOLIC) return undefined;
    const elements = this.#elements(constant);
    return elements && { dtype: constant.dtype, shape: constant.shape, elements };
  }

  #know(id: ValueId, value: Symbolic): void {
    this.types.set(id, { dtype: value.dtype, shape: value.shape });
    if (value.elements.some((d) => typeof d !== "number")) {
      this.#symbolic.set(id, value);
      return;
    }
    const whole = value.elements.every((d) => Number.isInteger(d));
    const plain = whole
      ? intsConstant(value.elements, value.shape)
      : floatsConstant(value.elements.map(Number), value.shape);
    this.defineConstant(
      id,
      value.dtype === "i64" ? plain : materialize(castConstant(plain, value.dtype), this.#reader),
    );
  }

  /** Adds a node that has to run. Its float constants become f32, its symbolic operands `dims` constants. */
  emit(node: Node): void {
    const [source] = node.inputs;
    const [output] = node.outputs;
    if (node.op === "cast" && output !== undefined && source !== undefined && source !== null) {
      const from = this.types.get(source)?.dtype;
      const { to } = node.attrs;
      if (
        from === to ||
        (from !== undefined && isFloat(from) && isFloat(to) && !this.constants.has(source))
      ) {
        this.alias(output, source);
        return;
      }
    }
    const ready = inSinglePrecision(renameValues(node, (id) => this.#operand(id)));
    for (const [i, type] of this.infer(ready).entries()) {
      const id = ready.outputs[i];
      if (id !== undefined) this.types.set(id, type);
    }
    this.nodes.push(ready);
  }

  /** The value as a node may read it. */
  #operand(id: ValueId): ValueId {
    const value = this.resolve(id);
    const symbolic = this.#symbolic.get(value);
    if (symbolic !== undefined && !this.constants.has(value))
      this.defineConstant(value, dimsConstant(symbolic));
    const constant = this.constants.get(value);
    if (constant === undefined) return value;
    const wide = isFloat(constant.dtype) && constant.dtype !== "f32";
    if (!wide && (!isBulky(constant) || countOf(constant.shape) > MOST_INLINE)) return value;
    const known = this.#singlePrecision.get(value);
    if (known !== undefined) return known;
    const single = wide ? castConstant(constant, "f32") : constant;
    const small = countOf(constant.shape) <= MOST_INLINE;
    const id32 = this.constant(small ? materialize(single, this.#reader) : single, value);
    this.#singlePrecision.set(value, id32);
    return id32;
  }

  /** The graph that the sweep leaves, with the names of the original's outputs; not pruned. */
  result(graph: Graph, inputs: readonly ValueId[]): Graph {
    const outputs: ValueId[] = [];
    const taken = new Set<ValueId>();
    for (const id of graph.outputs) {
      const value = this.#operand(id);
      if (value !== id || taken.has(value)) {
        // A copy carries the output's name.
        const type = this.types.get(value);
        if (type === undefined) throw new Error(`output ${id} has no type`);
        const named = taken.has(id) ? this.freshId(id) : id;
        this.constants.delete(named);
        this.nodes.push({ op: "cast", inputs: [value], outputs: [named], attrs: { to: type.dtype } });
        this.types.set(named, type);
        outputs.push(named);
      } else outputs.push(value);
      taken.add(id);
    }
    return { ...graph, inputs, outputs, types: this.types, constants: this.constants, nodes: this.nodes };
  }
}

function tooLarge(node: Node): TritcError {
  return new TritcError({
    code: "TRITC_E_LOOP",
    message: "the loops of this graph are too long to unroll",
    place: `loop ${node.name || node.outputs[0] || ""}`,
    expected: `at most ${MOST_UNROLLED} operations from all loops together`,
    remedy: "export the model without loops (torch.onnx.export with dynamo=True)",
  });
}

function knownCount(type: ValueType): number {
  return type.shape?.every((d) => typeof d === "number") ? countOf(type.shape as readonly number[]) : 0;
}

/** Whether a part begins or ends where sizes say, so that it has no value before they are known. */
function isPartByUnknown({ op, attrs }: Node): boolean {
  return op === "part" && [attrs.start, attrs.length].some((d) => typeof d !== "number");
}
