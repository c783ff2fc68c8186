import type { ByteReader } from "../../ir/constant/constant.js";
import { type Dim, divDims, elementCount } from "../../ir/dim.js";
import type { Graph, Node, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { shapeOf } from "../../ir/graph/graph.js";
import { producersOf } from "../analysis/uses.js";
import { plainIntsOf } from "../rewrite/values.js";
import { numbersOf } from "./match/constants.js";

/** An axis that holds samples one after the other, `inner` entries of each. */
interface Samples {
  readonly axis: number;
  readonly inner: Dim;
}

/** Larger constants are weights, which have no axis for samples. */
const MOST_COMPARED = 1 << 20;

/** The number of samples that a graph was exported for, where that is fixed and not 1. */
export function fixedBatch(graph: Graph): number | undefined {
  const leading = new Set<number>();
  for (const id of graph.inputs) {
    const shape = graph.types.get(id)?.shape ?? [];
    const [first] = shape;
    if ((shape.length === 1 || shape.length === 3) && typeof first === "number" && first > 1)
      leading.add(first);
  }
  return leading.size === 1 ? [...leading][0] : undefined;
}

/**
 * A folded and canonical graph for `count` samples as one for a single sample; undefined where samples may mix.
 *
 *   %y: f32[2, T, 64] = reshape(%x, [2, T, 64])   →   %y: f32[1, T, 64] = reshape(%x, [1, T, 64])
 *
 * Every value is followed from the inputs on, either the same for all samples or with one axis that holds them
 * one after the other; what an operation does to that axis is known, or the graph stays as it is. Types of results are those of
 * the whole batch until the graph is folded again.
 */
export function oneSample(graph: Graph, count: number, reader: ByteReader): Graph | undefined {
  const sampler = new Sampler(graph, count, reader);
  try {
    return sampler.run();
  } catch (error) {
    if (error instanceof Mixed) return undefined;
    throw error;
  }
}

class Mixed extends Error {}

class Sampler {
  readonly #graph: Graph;
  readonly #count: number;
  readonly #reader: ByteReader;
  readonly #producers: ReadonlyMap<ValueId, Node>;
  readonly #samples = new Map<ValueId, Samples>();
  readonly #types;
  readonly #constants;
  readonly #nodes: Node[] = [];

  constructor(graph: Graph, count: number, reader: ByteReader) {
    this.#graph = graph;
    this.#count = count;
    this.#reader = reader;
    this.#producers = producersOf(graph);
    this.#types = new Map(graph.types);
    this.#constants = new Map(graph.constants);
  }

  run(): Graph {
    const { inputs, outputs, nodes } = this.#graph;
    for (const id of inputs) {
      const type = this.#graph.types.get(id);
      const axis = type?.shape?.slice(0, 2).indexOf(this.#count) ?? -1;
      if (type?.shape == null || axis < 0 || (axis > 0 && type.shape.length < 4)) continue;
      this.#samples.set(id, { axis, inner: 1 });
      this.#types.set(id, { ...type, shape: type.shape.with(axis, 1) });
    }
    for (const node of nodes) this.#nodes.push(this.#visit(node));
    if (outputs.some((id) => this.#samples.get(id)?.axis !== 0)) throw new Mixed();
    return { ...this.#graph, types: this.#types, constants: this.#constants, nodes: this.#nodes };
  }

  #visit(node: Node): Node {
    if (!node.inputs.some((id) => id !== null && this.#samples.has(id))) return node;
    const [x = null, ...rest] = node.inputs;
    const samples = x === null ? undefined : this.#samples.get(x);
    const [output = ""] = node.outputs;
    const give = (axis: number, inner: Dim | undefined): void => {
      if (axis < 0 || inner === undefined) throw new Mixed();
      this.#samples.set(output, { axis, inner });
    };
    const rank = this.#shape(output).length;
    switch (node.op) {
      case "binary":
      case "where":
        return this.#broadcast(node, rank);
      case "concat":
        if (this.#axis(node.attrs.axis, rank) === this.#common(node, rank).axis) throw new Mixed();
        return this.#broadcast(node, rank);
      case "matmul": {
        const right = this.#samples.get(rest[0] ?? "");
        const width = this.#shape(rest[0] ?? "").length;
        if (right !== undefined && right.axis >= width - 2) throw new Mixed();
        const own = this.#shape(x ?? "").length;
        if (samples !== undefined && samples.axis >= own - (right === undefined ? 1 : 2)) throw new Mixed();
        return this.#broadcast(node, rank);
      }
    }
    // From here on the first operand alone has samples.
    if (samples === undefined || rest.some((id) => id !== null && this.#samples.has(id))) throw new Mixed();
    const { axis, inner } = samples;
    const width = this.#shape(x ?? "").length;
    switch (node.op) {
      case "cast":
      case "unary":
      case "gelu":
      case "silu":
        give(axis, inner);
        return node;
      case "softmax":
      case "layer-norm":
      case "rms-norm": {
        const over = this.#axis(node.attrs.axis, width);
        give(node.op === "softmax" ? (axis === over ? -1 : axis) : axis < over ? axis : -1, inner);
        return node;
      }
      case "linear":
      case "gemm":
        // A bias may differ from row to row.
        if (rest.some((id, i) => i > 0 && id !== null && elementCount(this.#shape(id).slice(0, -1)) !== 1))
          throw new Mixed();
        give(axis < width - 1 && !("transA" in node.attrs && node.attrs.transA) ? axis : -1, inner);
        return node;
      case "transpose":
        give((node.attrs.perm ?? [...Array(width).keys()].reverse()).indexOf(axis), inner);
        return node;
      case "part":
        // The ids of the first sample serve all.
        if (node.attrs.axis === axis && node.attrs.start === 0 && node.attrs.length === 1 && this.#isInput(x))
          return node;
        give(node.attrs.axis === axis ? -1 : axis, inner);
        return node;
      case "slice": {
        const axes = plainIntsOf(this.#graph, node.inputs[3]);
        give(axes === undefined || axes.some((a) => this.#axis(a, width) === axis) ? -1 : axis, inner);
        return node;
      }
      case "gather": {
        const along = this.#axis(node.attrs.axis, width);
        const grown = this.#shape(node.inputs[1] ?? "").length - 1;
        give(along === axis ? -1 : along < axis ? axis + grown : axis, inner);
        return node;
      }
      case "reduce": {
        const axes = plainIntsOf(this.#graph, node.inputs[1])?.map((a) => this.#axis(a, width));
        if (axes === undefined || axes.includes(axis)) throw new Mixed();
        give(node.attrs.keepDims ? axis : axis - axes.filter((a) => a < axis).length, inner);
        return node;
      }
      case "expand":
        give(axis + rank - width, inner);
        return this.#reshaped(node, output);
      case "reshape":
        give(...this.#afterReshape(x ?? "", output, samples));
        return this.#reshaped(node, output);
      default:
        throw new Mixed();
    }
  }

  /** Operands whose axes are aligned from the last on; those without samples are the same for all. */
  #broadcast(node: Node, rank: number): Node {
    const common = this.#common(node, rank);
    this.#samples.set(node.outputs[0] ?? "", common);
    const inputs = node.inputs.map((id) => {
      if (id === null || this.#samples.has(id)) return id;
      const shape = this.#shape(id);
      const axis = common.axis - rank + shape.length;
      const isMatrix = node.op === "matmul" && axis >= shape.length - 2;
      return axis < 0 || shape[axis] === 1 || isMatrix ? id : this.#firstOf(id, axis, common.inner);
    });
    return { ...node, inputs };
  }

  #common(node: Node, rank: number): Samples {
    let common: Samples | undefined;
    for (const id of node.inputs) {
      const samples = id === null ? undefined : this.#samples.get(id);
      if (id === null || samples === undefined) continue;
      const axis = samples.axis + rank - this.#shape(id).length;
      if (common !== undefined && (common.axis !== axis || common.inner !== samples.inner)) throw new Mixed();
      common = { axis, inner: samples.inner };
    }
    if (common === undefined) throw new Mixed();
    return common;
  }

  /** The first sample's part of a value that repeats itself for each of them. */
  #firstOf(id: ValueId, axis: number, inner: Dim): ValueId {
    if (!this.#repeats(id, axis)) throw new Mixed();
    const part = `${id}#first${axis}`;
    if (!this.#types.has(part)) {
      const type = this.#graph.types.get(id);
      this.#types.set(part, { dtype: type?.dtype ?? "f32", shape: this.#shape(id).with(axis, inner) });
      this.#nodes.push({
        op: "part",
        inputs: [id],
        outputs: [part],
        attrs: { axis, start: 0, length: inner },
      });
    }
    return part;
  }

  #repeats(id: ValueId, axis: number): boolean {
    const shape = this.#shape(id);
    const constant = this.#graph.constants.get(id);
    if (constant !== undefined) {
      const values = numbersOf(constant, this.#reader, MOST_COMPARED);
      const run = Number(elementCount(shape.slice(axis))) / this.#count;
      return values?.every((v, i) => v === values[i - (Math.floor(i / run) % this.#count) * run]) ?? false;
    }
    const node = this.#producers.get(id);
    if (node?.op === "cast" || node?.op === "unary") return this.#repeats(node.inputs[0] ?? "", axis);
    const from = node?.op === "expand" ? this.#shape(node.inputs[0] ?? "") : undefined;
    return from !== undefined && (from[axis - shape.length + from.length] ?? 1) === 1;
  }

  /** Entries keep their order: samples stay one after the other behind as many entries as before. */
  #afterReshape(x: ValueId, output: ValueId, { axis }: Samples): [number, Dim | undefined] {
    const before = elementCount(this.#shape(x).slice(0, axis));
    const shape = this.#shape(output);
    const at = shape.findIndex((dim, k) => dim !== 1 && elementCount(shape.slice(0, k)) === before);
    return [at, divDims(shape[at] ?? 1, this.#count)];
  }

  /** The same node with the shape operand of one sample. */
  #reshaped(node: NodeOf<"reshape"> | NodeOf<"expand">, output: ValueId): Node {
    const { axis, inner } = this.#samples.get(output) as Samples;
    const dims = this.#shape(output).with(axis, inner);
    const id = `${output}#shape`;
    this.#types.set(id, { dtype: "i64", shape: [dims.length] });
    this.#constants.set(id, { dtype: "i64", shape: [dims.length], source: { kind: "dims", dims } });
    return { ...node, inputs: [node.inputs[0] ?? null, id] };
  }

  #shape(id: ValueId): readonly Dim[] {
    return this.#graph.types.get(id)?.shape === null ? fail() : shapeOf(this.#graph, id);
  }

  #axis(axis: number, rank: number): number {
    return axis < 0 ? axis + rank : axis;
  }

  #isInput(id: ValueId | null): boolean {
    return id !== null && this.#graph.inputs.includes(id);
  }
}

function fail(): never {
  throw new Mixed();
}
