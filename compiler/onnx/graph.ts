import { type Dim, symbol } from "../../ir/dim.js";
import { type Graph, STEPS, type ValueId, type ValueType } from "../../ir/graph/graph.js";
import { UniqueNames } from "../../ir/unique-names.js";
import { fileKind, refuseKind } from "../file-kind.js";
import { GraphBuilder, Scope, ValueNames } from "./builder.js";
import { decodeModel, functionKey } from "./decode.js";
import { invalid, unsupported } from "./errors.js";
import { locateModel } from "./locate.js";
import {
  describeNode,
  type OnnxAttribute,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxType,
  type OnnxValueInfo,
} from "./model.js";
import { Operation } from "./operation.js";
import { NEWEST_OPSET, OLDEST_OPSET, OPSETS_READ } from "./opsets.js";
import { findOperator } from "./registry.js";
import { sortNodes } from "./sort.js";
import { surveyOperators } from "./survey.js";

const MAX_CALL_DEPTH = 32;

/**
 * Reads an ONNX model as a graph of generic ops. Weights are not read: constants name byte ranges of the
 * model's files. Graph inputs and outputs keep their ONNX names; dimensions with a name become symbols,
 * those without get symbols of their own. Shapes of other values than inputs and constants stay unknown.
 * @param path an `.onnx` file, or a folder that holds a model (`transformer/model.onnx`, `model.onnx`)
 * @throws TritcError TRITC_E_MODEL_NOT_FOUND, TRITC_E_FILE_KIND, TRITC_E_ONNX_DECODE, TRITC_E_ONNX_INVALID, TRITC_E_ONNX_TENSOR,
 *   TRITC_E_ONNX_EXTERNAL_DATA, TRITC_E_ONNX_UNSUPPORTED, TRITC_E_QUANTIZED_EXPORT
 */
export function importOnnx(path: string): Graph {
  const file = locateModel(path);
  refuseKind(file, fileKind(file), "an ONNX model");
  const model = decodeModel(file);
  surveyOperators(model);
  return new ModelImporter(model).importMain();
}

/** What the nodes of one graph or function body are imported into. */
interface Frame {
  readonly builder: GraphBuilder;
  readonly scope: Scope;
  readonly opsets: ReadonlyMap<string, number>;
  readonly callAttributes: ReadonlyMap<string, OnnxAttribute> | null;
  readonly callDepth: number;
  /** Names that graph outputs have: only these must stay in the main graph; null in subgraphs. */
  readonly outputs: ReadonlySet<string> | null;
}

class ModelImporter {
  private readonly names = new ValueNames();

  constructor(private readonly model: OnnxModel) {}

  importMain(): Graph {
    const { graph, opsets } = this.model;
    for (const name of definedNames(graph)) this.names.reserve(name);
    // Names first, so that an axis without one takes none of theirs.
    for (const { name, type } of graph.inputs) {
      for (const [axis, dim] of (type?.shape ?? []).entries()) if (dim !== null) this.dimOf(dim, name, axis);
    }
    const frame: Frame = {
      builder: new GraphBuilder(this.names, null),
      scope: new Scope(null),
      opsets,
      callAttributes: null,
      callDepth: 0,
      outputs: new Set(graph.outputs.map((o) => o.name)),
    };
    return this.importGraph(graph, frame, null, `graph "${graph.name}"`);
  }

  private importGraph(
    graph: OnnxGraph,
    frame: Frame,
    operands: readonly (ValueType | null)[] | null,
    place: string,
  ): Graph {
    const { builder, scope } = frame;
    const isMain = frame.outputs !== null;
    for (const { name, constant } of graph.initializers) {
      builder.addConstant(this.declare(name, frame, `tensor "${name}"`), constant);
    }
    const inputs: ValueId[] = [];
    const initialized = new Set(graph.initializers.map((i) => i.name));
    // Until IR version 4, initializers had to be listed as inputs too.
    const open = graph.inputs.filter((input) => !initialized.has(input.name));
    if (operands !== null && operands.length !== open.length) {
      throw invalid(place, "the subgraph has another number of inputs than its operator gives it", {
        expected: `${operands.length}`,
        found: `${open.length}`,
      });
    }
    open.forEach((input, k) => {
      const id = this.declare(input.name, frame, `input "${input.name}"`);
      builder.types.set(
        id,
        operands === null ? this.inputType(input) : bodyInputType(input, operands[k] ?? null),
      );
      inputs.push(id);
    });
    const available = (name: string) => scope.lookup(name) !== undefined;
    for (const node of sortNodes(graph.nodes, available)) this.importNode(node, frame);
    const outputs = graph.outputs.map((output) => this.importOutput(output, frame, isMain));
    if (new Set(outputs).size !== outputs.length && isMain) {
      throw invalid(place, "an output is listed twice");
    }
    if (outputs.length === 0) throw invalid(place, "the graph has no outputs");
    return {
      name: graph.name,
      inputs,
      outputs,
      types: builder.types,
      constants: builder.constants,
      nodes: builder.nodes,
    };
  }

  /** Makes a name known; main-graph values have their ONNX name as id. */
  private declare(name: string, frame: Frame, place: string): ValueId {
    if (frame.scope.owns(name)) throw invalid(place, `the name "${name}" is used twice`);
    const id = frame.outputs !== null ? name : this.names.claim(name);
    frame.scope.bind(name, id);
    return id;
  }

  private inputType(input: OnnxValueInfo): ValueType {
    const { name, type } = input;
    if (type === null) throw invalid(`input "${name}"`, "the input has no type");
    if (type.sequence) throw unsupported(`input "${name}"`, "sequences as model inputs are not supported");
    if (type.shape === null) return { dtype: type.dtype, shape: null };
    const shape = type.shape.map((dim, axis) => this.dimOf(dim, name, axis));
    return { dtype: type.dtype, shape };
  }

  /** Symbols of the names that the file gives to axes: different names are different sizes, however they are written. */
  private readonly symbols = new Map<string, Dim>();
  /** What the sampler binds is not for graphs to name. */
  private readonly symbolNames = new UniqueNames([String(STEPS)]);

  private dimOf(given: number | string | null, input: string, axis: number): Dim {
    if (typeof given === "number") return given;
    const name = given ?? `${input}_dim${axis}`;
    const known = given === null ? undefined : this.symbols.get(name);
    if (known !== undefined) return known;
    const dim = this.symbolNames.claim(String(symbol(name)), (n) => `${symbol(name)}_${n}`);
    if (given !== null) this.symbols.set(name, dim);
    return dim;
  }

  private importNode(node: OnnxNode, frame: Frame): void {
    for (const name of node.outputs) {
      if (name !== "" && frame.scope.owns(name)) {
        throw invalid(describeNode(node), `the name "${name}" is used twice`);
      }
    }
    const f = this.model.functions.get(functionKey(node.domain, node.op));
    if (f !== undefined) {
      this.inlineFunction(f, node, frame);
      return;
    }
    const importer = findOperator(node.domain, node.op);
    if (importer === undefined) throw new Error(`the survey let ${node.domain}.${node.op} pass`);
    const operation = this.operation(node, frame, this.opsetOf(node, frame));
    importer(operation);
    operation.finish();
  }

  private operation(node: OnnxNode, frame: Frame, opset: number): Operation {
    return new Operation(node, {
      builder: frame.builder,
      scope: frame.scope,
      opset,
      callAttributes: frame.callAttributes,
      keepNames: frame.outputs !== null,
      isGraphOutput: (name) => frame.outputs?.has(name) ?? false,
      importBody: (graph, operands, place) => {
        const builder = new GraphBuilder(this.names, frame.builder);
        const inner: Frame = { ...frame, builder, scope: new Scope(frame.scope), outputs: null };
        return this.importGraph(graph, inner, operands, place);
      },
    });
  }

  private opsetOf(node: OnnxNode, frame: Frame): number {
    const version = frame.opsets.get(node.domain);
    if (node.domain !== "") return version ?? 1;
    if (version === undefined) {
      throw invalid(this.model.file, "the model does not say which version of the ONNX operators it uses");
    }
    if (version < OLDEST_OPSET || version > NEWEST_OPSET) {
      throw unsupported(this.model.file, "the version of the ONNX operators is not supported", {
        expected: OPSETS_READ,
        found: `opset ${version}`,
      });
    }
    return version;
  }

  /** Puts the nodes of a model-local function in the place of a call. */
  private inlineFunction(f: OnnxFunction, call: OnnxNode, frame: Frame): void {
    const place = describeNode(call);
    if (frame.callDepth >= MAX_CALL_DEPTH) {
      throw invalid(place, "functions call each other too deeply", {
        expected: `at most ${MAX_CALL_DEPTH} calls`,
      });
    }
    if (call.inputs.length > f.inputs.length || call.outputs.length > f.outputs.length) {
      throw invalid(place, "the call has more operands or outputs than the function", {
        expected: `${f.inputs.length} and ${f.outputs.length}`,
        found: `${call.inputs.length} and ${call.outputs.length}`,
      });
    }
    const scope = new Scope(null);
    const operation = this.operation(call, frame, 0);
    f.inputs.forEach((name, k) => {
      const id = operation.optional(k);
      if (id !== null) scope.bind(name, id);
    });
    const inner: Frame = {
      builder: frame.builder,
      scope,
      opsets: f.opsets,
      callAttributes: new Map([...f.defaults, ...resolveReferences(call.attributes, frame.callAttributes)]),
      callDepth: frame.callDepth + 1,
      outputs: null,
    };
    const absent = new Set(f.inputs.filter((name) => scope.lookup(name) === undefined));
    const nodes = f.nodes.map((node) => withoutOperands(node, absent));
    const available = (name: string) => scope.lookup(name) !== undefined;
    for (const node of sortNodes(nodes, available)) this.importNode(node, inner);
    f.outputs.slice(0, call.outputs.length).forEach((name, k) => {
      const id = scope.lookup(name);
      if (id === undefined) throw invalid(place, `the function does not define its output "${name}"`);
      operation.forward(k, id);
    });
  }

  private importOutput(output: OnnxValueInfo, frame: Frame, isMain: boolean): ValueId {
    const place = `output "${output.name}"`;
    const id = frame.scope.lookup(output.name);
    if (id === undefined) throw invalid(place, "no node, input or initializer gives this output");
    const type = frame.builder.typeOf(id);
    checkDeclared(output.type, type, place);
    if (isMain && type.sequence) throw unsupported(place, "sequences as model outputs are not supported");
    if (frame.builder.types.has(id) || type.sequence) return id;
    // A value from around a subgraph: the subgraph returns a copy, so that it owns all its outputs.
    const copy = this.names.claim(output.name);
    frame.builder.addNode({ op: "cast", inputs: [id], outputs: [copy], attrs: { to: type.dtype } }, [type]);
    return copy;
  }
}

function bodyInputType(input: OnnxValueInfo, operand: ValueType | null): ValueType {
  const place = `input "${input.name}" of a subgraph`;
  if (operand !== null) {
    checkDeclared(input.type, operand, place);
    return operand;
  }
  if (input.type === null) throw invalid(place, "the input has no type");
  return { dtype: input.type.dtype, shape: null, ...(input.type.sequence ? { sequence: true } : {}) };
}

/** Refuses a value whose type is not the one the file declares for it. */
function checkDeclared(declared: OnnxType | null, type: ValueType, place: string): void {
  if (declared === null) return;
  const show = (dtype: string, sequence: boolean) => (sequence ? `sequence of ${dtype}` : dtype);
  if (declared.dtype === type.dtype && declared.sequence === (type.sequence ?? false)) return;
  throw invalid(place, "the value has another type than the file declares", {
    expected: show(declared.dtype, declared.sequence),
    found: show(type.dtype, type.sequence ?? false),
  });
}

function definedNames(graph: OnnxGraph): readonly string[] {
  const named = [...graph.inputs, ...graph.outputs, ...graph.initializers].map((v) => v.name);
  return [...named, ...graph.nodes.flatMap((n) => n.outputs)];
}

/** Attributes of a call with references to the attributes of the call around it replaced. */
function resolveReferences(
  attributes: ReadonlyMap<string, OnnxAttribute>,
  outer: ReadonlyMap<string, OnnxAttribute> | null,
): ReadonlyMap<string, OnnxAttribute> {
  const resolved = new Map<string, OnnxAttribute>();
  for (const [name, attribute] of attributes) {
    const value = attribute.kind === "reference" ? outer?.get(attribute.value) : attribute;
    if (value !== undefined) resolved.set(name, value);
  }
  return resolved;
}

function withoutOperands(node: OnnxNode, absent: ReadonlySet<string>): OnnxNode {
  if (!node.inputs.some((name) => absent.has(name))) return node;
  return { ...node, inputs: node.inputs.map((name) => (absent.has(name) ? "" : name)) };
}
