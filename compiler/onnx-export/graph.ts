import type { onnx as Onnx } from "onnx-proto";
import type { ByteReader } from "../../ir/constant/constant.js";
import type { DType } from "../../ir/dtype.js";
import { dtypeOf, type Graph, type Node, type ValueId } from "../../ir/graph/graph.js";
import { DimWriter } from "./dims.js";
import { refuseExport } from "./errors.js";
import { ONNX_TYPE } from "./format.js";
import { applyRule, Operands, type Values } from "./operands.js";
import { checkOperations, RULES } from "./ops/index.js";
import { type WeightOptions, WeightWriter } from "./weights.js";
import { type Initializer, type Name, OnnxWriter } from "./writer.js";

/** An input or output of the file. */
export interface Port {
  readonly name: ValueId;
  /** In the file; the graph may compute in another. */
  readonly dtype: DType;
  /** Sizes and names of sizes; null where nothing is said. Null altogether: not even the rank is known. */
  readonly dims: readonly (number | string | null)[] | null;
}

export interface OnnxGraph {
  readonly inputs: readonly Onnx.IValueInfoProto[];
  readonly outputs: readonly Onnx.IValueInfoProto[];
  readonly nodes: readonly Onnx.INodeProto[];
  readonly initializers: readonly Initializer[];
}

export interface GraphOptions extends WeightOptions {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly reader: ByteReader;
}

/**
 * Spells a graph in standard ONNX operators. No weight is read: initializers make their bytes when they are written.
 * Throws TRITC_E_UNSUPPORTED_OP.
 */
export function writeGraph(graph: Graph, options: GraphOptions): OnnxGraph {
  checkOperations(graph);
  const writer = new OnnxWriter([...graph.inputs, ...graph.outputs]);
  const values = new GraphValues(graph, writer, options);
  for (const { name, dtype } of options.inputs) {
    values.define(name, writer.cast(name, dtype, dtypeOf(graph, name)));
  }
  for (const node of graph.nodes) writeNode(values, node);
  writer.scope = "";
  for (const { name, dtype } of options.outputs) {
    const value = values.name(name);
    const computed = dtypeOf(graph, name);
    if (computed !== dtype) writer.output("Cast", [value], name, { to: { int: ONNX_TYPE[dtype] } });
    // An output that is an input has that name already.
    else if (value !== name) writer.output("Identity", [value], name);
  }
  return {
    inputs: options.inputs.map(valueInfo),
    outputs: options.outputs.map(valueInfo),
    nodes: writer.nodes,
    initializers: writer.initializers,
  };
}

function writeNode(values: GraphValues, node: Node): void {
  values.writer.scope = roleOf(node) ?? node.outputs[0] ?? "";
  const written = applyRule(RULES, new Operands(values, node));
  if (written === undefined) throw new Error(`no rule for ${node.op}`);
  const results = typeof written === "string" ? [written] : written;
  for (const [i, id] of node.outputs.entries()) {
    const name = results[i];
    if (typeof name === "string") values.define(id, name);
  }
}

/** What a linear is in the model makes a better name than its value's number. */
function roleOf(node: Node): string | null {
  return "role" in node.attrs ? node.attrs.role : null;
}

class GraphValues implements Values {
  readonly dims: DimWriter;
  readonly #weights: WeightWriter;
  readonly #names = new Map<ValueId, Name>();

  constructor(
    readonly graph: Graph,
    readonly writer: OnnxWriter,
    options: GraphOptions,
  ) {
    this.dims = new DimWriter(writer, graph);
    this.#weights = new WeightWriter(writer, graph, options, options.reader);
  }

  define(id: ValueId, name: Name): void {
    this.#names.set(id, name);
  }

  name(id: ValueId): Name {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const constant = this.graph.constants.get(id);
    if (constant === undefined) {
      throw refuseExport(
        "an int8 form of activations is read by what is no ternary linear",
        id,
        this.graph.name,
      );
    }
    const name =
      constant.source.kind === "dims"
        ? this.#dims(constant.source.dims, constant.shape)
        : this.#weights.constant(id, constant);
    this.define(id, name);
    return name;
  }

  ternaryWeight(codes: ValueId, scales: ValueId): Name {
    return this.#weights.ternary(codes, scales);
  }

  #dims(dims: Parameters<DimWriter["list"]>[0], shape: readonly number[]): Name {
    const vector = this.dims.list(dims);
    return shape.length === 0 ? this.writer.op("Squeeze", [vector, this.writer.integers([0])]) : vector;
  }
}

export function valueInfo({ name, dtype, dims }: Port): Onnx.IValueInfoProto {
  const elemType = ONNX_TYPE[dtype];
  if (dims === null) return { name, type: { tensorType: { elemType } } };
  const dim = dims.map((d) => (d === null ? {} : typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
