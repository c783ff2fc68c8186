import { bindDims, type Sized } from "../bind-dims.js";
import type { ByteReader, Constant } from "../constant/constant.js";
import { constantReader } from "../constant/read.js";
import { type Bindings, type Dim, evaluateDim } from "../dim.js";
import { TritcError } from "../errors.js";
import { type Graph, type Node, type NodeOf, subgraphsOf, type ValueId } from "../graph/graph.js";
import type { OpName } from "../ops/index.js";
import type { Tensor } from "../tensor.js";
import { ATTENTION } from "./attention.js";
import { CONTROL } from "./control.js";
import { ELEMENTWISE } from "./elementwise.js";
import { EMBEDDINGS } from "./embeddings.js";
import { GATHER } from "./gather.js";
import { IMAGES } from "./images.js";
import { LINALG } from "./linalg.js";
import { LINEARS } from "./linears.js";
import { MODULATION } from "./modulation.js";
import { NORMS } from "./norms.js";
import { QUANTIZED } from "./quantized.js";
import { REDUCTIONS } from "./reductions.js";
import { SEQUENCES } from "./sequences.js";
import { SHAPES } from "./shapes.js";
import { type Context, type Handler, isSequence, OpError, Operands, type Value } from "./value.js";

/** The meaning of every op, in ONNX's terms: what all compiled code is compared with. */
const HANDLERS: { readonly [K in OpName]: Handler<K> } = {
  ...ATTENTION,
  ...CONTROL,
  ...ELEMENTWISE,
  ...EMBEDDINGS,
  ...GATHER,
  ...IMAGES,
  ...LINALG,
  ...LINEARS,
  ...MODULATION,
  ...NORMS,
  ...QUANTIZED,
  ...REDUCTIONS,
  ...SEQUENCES,
  ...SHAPES,
};

export interface InterpretOptions {
  /** Reads the constants that live in files. */
  readonly reader: ByteReader;
  /** Arithmetic of f32, f16 and bf16 values: rounded to f32 after each op (default), or kept in f64. */
  readonly precision?: "f32" | "f64";
  /** Values to return besides the graph's outputs. */
  readonly keep?: readonly ValueId[];
  /** Values of symbols that the shapes of the inputs don't tell. */
  readonly bindings?: Bindings;
}

/**
 * Runs a graph on tensors: the reference for every pass and kernel. Symbols are bound by the shapes of the
 * inputs. Returns the outputs and the values named by `keep`; the others are dropped after their last use.
 * Throws TRITC_E_INTERPRET with the node and its operands, TRITC_E_LOOP.
 */
export function interpret(
  graph: Graph,
  inputs: ReadonlyMap<ValueId, Tensor>,
  options: InterpretOptions,
): Map<ValueId, Tensor> {
  const bindings = { ...bindSymbols(graph, inputs), ...options.bindings };
  const machine = new Machine(options, bindings);
  const scope: Scope = { values: new Map(inputs), graph, parent: null };
  for (const id of graph.inputs) {
    if (!inputs.has(id)) throw failure(`the input ${id} has no value`, graph.name);
  }
  const keep = new Set([...graph.outputs, ...(options.keep ?? [])]);
  machine.execute(scope, keep);
  const results = new Map<ValueId, Tensor>();
  for (const id of keep) {
    const value = machine.lookup(scope, id);
    if (isSequence(value)) throw failure(`the value ${id} is a sequence, not a tensor`, graph.name);
    results.set(id, value);
  }
  return results;
}

/** Values of the symbols that the shapes of the inputs give. */
export function bindSymbols(graph: Graph, inputs: ReadonlyMap<ValueId, Tensor>): Bindings {
  const bindings: Record<string, number> = Object.create(null);
  const sizes = graph.inputs.flatMap((id) => {
    const found = inputs.get(id)?.shape;
    return (graph.types.get(id)?.shape ?? []).flatMap((dim, axis): Sized[] => {
      const size = found?.[axis];
      return size === undefined ? [] : [{ dim, size }];
    });
  });
  bindDims(sizes, bindings);
  return bindings;
}

interface Scope {
  readonly values: Map<ValueId, Value>;
  readonly graph: Graph;
  readonly parent: Scope | null;
}

/** Constants up to this size are kept while a graph runs: loop bodies read them again and again. */
const SMALL_ELEMENTS = 4096;
/** Iterations of all loops together: a second of the smallest bodies. */
const MOST_ITERATIONS = 200_000;

class Machine {
  private readonly lastUses = new Map<Graph, readonly (readonly ValueId[])[]>();
  private readonly small = new Map<ValueId, Tensor>();
  private readonly read: (constant: Constant) => Tensor;
  private iterations = 0;

  constructor(
    private readonly options: InterpretOptions,
    private readonly bindings: Bindings,
  ) {
    this.read = constantReader(options.reader, bindings);
  }

  lookup(scope: Scope, id: ValueId): Value {
    for (let s: Scope | null = scope; s !== null; s = s.parent) {
      const value = s.values.get(id);
      if (value !== undefined) return value;
      const constant = s.graph.constants.get(id);
      if (constant === undefined) continue;
      const cached = this.small.get(id);
      if (cached !== undefined) return cached;
      const tensor = this.read(constant);
      if (tensor.data.length <= SMALL_ELEMENTS) this.small.set(id, tensor);
      return tensor;
    }
    throw failure(`the value ${id} is not defined`, scope.graph.name);
  }

  execute(scope: Scope, keep: ReadonlySet<ValueId>): void {
    const { graph, values } = scope;
    const dead = this.lastUsesOf(graph);
    graph.nodes.forEach((node, i) => {
      const results = this.step(node, scope);
      node.outputs.forEach((id, k) => {
        const value = results[k];
        if (value !== undefined && id !== "") values.set(id, value);
      });
      for (const id of dead[i] ?? []) if (!keep.has(id)) values.delete(id);
    });
  }

  private step(node: Node, scope: Scope): readonly Value[] {
    const operands = new Operands(
      node.inputs.map((id) => (id === null ? null : this.lookup(scope, id))),
      node.inputs,
    );
    const context: Context = {
      wide: this.options.precision === "f64",
      outputs: node.outputs.length,
      outputType: (index) => scope.graph.types.get(node.outputs[index] ?? ""),
      dim: (dim: Dim) => evaluateDim(dim, this.bindings),
      iterate: () => this.iterate(node),
      run: (graph, inputs) => this.runBody(graph, inputs, scope),
    };
    try {
      const result = dispatch(node, operands, context);
      return Array.isArray(result) ? result : [result as Value];
    } catch (error) {
      if (!(error instanceof OpError || error instanceof RangeError)) throw error;
      throw failure(error.message, describeNode(node), describeOperands(operands), error);
    }
  }

  private iterate(node: Node): void {
    this.iterations += 1;
    if (this.iterations <= MOST_ITERATIONS) return;
    throw new TritcError({
      code: "TRITC_E_LOOP",
      message: "the loops of this graph do not come to an end soon enough",
      place: describeNode(node),
      expected: `at most ${MOST_ITERATIONS} iterations of all loops together`,
      found: "more",
      remedy: "check the trip counts and conditions, or export the model without loops",
    });
  }

  private runBody(graph: Graph, inputs: readonly Value[], parent: Scope): readonly Value[] {
    const values = new Map<ValueId, Value>();
    graph.inputs.forEach((id, i) => {
      const value = inputs[i];
      if (value !== undefined) values.set(id, value);
    });
    const scope: Scope = { values, graph, parent };
    this.execute(scope, new Set(graph.outputs));
    return graph.outputs.map((id) => this.lookup(scope, id));
  }

  /** For each node, the values of its own graph that nothing reads after it. */
  private lastUsesOf(graph: Graph): readonly (readonly ValueId[])[] {
    const known = this.lastUses.get(graph);
    if (known !== undefined) return known;
    const seen = new Set<ValueId>();
    const dead: ValueId[][] = graph.nodes.map(() => []);
    for (let i = graph.nodes.length - 1; i >= 0; i--) {
      const node = graph.nodes[i]!;
      for (const id of [...readsOf(node), ...node.outputs]) {
        if (seen.has(id)) continue;
        seen.add(id);
        dead[i]!.push(id);
      }
    }
    this.lastUses.set(graph, dead);
    return dead;
  }
}

/** Everything a node reads, its subgraphs included. */
function readsOf(node: Node): readonly ValueId[] {
  const reads: ValueId[] = node.inputs.filter((id) => id !== null);
  for (const graph of subgraphsOf(node)) {
    for (const inner of graph.nodes) for (const id of readsOf(inner)) reads.push(id);
    for (const id of graph.outputs) reads.push(id);
  }
  return reads;
}

function dispatch<K extends OpName>(
  node: NodeOf<K>,
  operands: Operands,
  context: Context,
): Value | readonly Value[] {
  return HANDLERS[node.op](operands, node.attrs, context);
}

function describeNode(node: Node): string {
  return node.name === undefined || node.name === ""
    ? `${node.op} → ${node.outputs[0] ?? ""}`
    : `${node.op} "${node.name}"`;
}

function describeOperands(operands: Operands): string {
  return operands.ids
    .map((id, i) => {
      if (id === null) return "none";
      const value = operands.value(i);
      return isSequence(value)
        ? `${id}: sequence of ${value.items.length}`
        : `${id}: ${value.dtype} [${value.shape.join(", ")}]`;
    })
    .join("; ");
}

function failure(message: string, place: string, found?: string, cause?: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_INTERPRET",
    message,
    place,
    ...(found === undefined ? {} : { found }),
    ...(cause === undefined ? {} : { cause }),
    remedy: "check the shapes and dtypes of the inputs, or export the model again",
  });
}
