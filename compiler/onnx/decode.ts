import { statSync } from "node:fs";
import * as path from "node:path";
import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { decodeAttribute } from "./attributes.js";
import { dtypeOfOnnx } from "./dtypes.js";
import { invalid, undecodable, unsupported } from "./errors.js";
import { FileWindow } from "./file-window.js";
import { functionDefaults } from "./function-defaults.js";
import { toBigInt } from "./integers.js";
import {
  describeNode,
  type NamedConstant,
  type OnnxAttribute,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxType,
  type OnnxValueInfo,
} from "./model.js";
import { protobuf } from "./protobuf.js";
import { SegmentedTensor, skimModel } from "./skim.js";
import { constantOfTensor, type TensorSource } from "./tensors.js";

/** Protobuf's own limit; larger models keep their tensors in external data. */
const MAX_PROTOBUF_BYTES = 2 ** 31 - 1;

/** Reads an `.onnx` file into typed records. Tensors stay in the file: constants name byte ranges. */
export function decodeModel(file: string): OnnxModel {
  const absolute = path.resolve(file);
  const size = statSync(absolute).size;
  if (size > MAX_PROTOBUF_BYTES) {
    throw undecodable(file, "the file is larger than a protobuf can be", {
      expected: `at most ${MAX_PROTOBUF_BYTES} bytes`,
      found: `${size} bytes`,
      remedy: "save the tensors as external data",
    });
  }
  const { proto, defaults } = decodeProtobuf(absolute, file, size);
  const source: TensorSource = { file: absolute, directory: path.dirname(absolute) };
  // Protobuf skips what it does not know, so that almost any bytes decode to something: an empty model.
  if (!proto.graph) {
    throw undecodable(file, "the protobuf holds no ONNX graph", { found: `${size} bytes` });
  }
  const functions = new Map<string, OnnxFunction>();
  for (const [k, f] of proto.functions.entries()) {
    const decoded = decodeFunction(f, defaults[k] ?? [], source);
    const key = functionKey(decoded.domain, decoded.name);
    if (functions.has(key)) throw invalid(file, `the function ${key} is defined twice`);
    functions.set(key, decoded);
  }
  return {
    file,
    graph: decodeGraph(proto.graph, source, 0),
    opsets: decodeOpsets(proto.opsetImport, file),
    functions,
  };
}

/** The key of a function in `OnnxModel.functions`. */
export function functionKey(domain: string, name: string): string {
  return `${domain}:${name}`;
}

interface Decoded {
  readonly proto: Onnx.ModelProto;
  readonly defaults: ReturnType<typeof functionDefaults>;
}

function decodeProtobuf(absolute: string, file: string, size: number): Decoded {
  const window = new FileWindow(absolute);
  let place = () => "";
  try {
    const { bytes, fileOffset } = skimModel(window);
    const reader = protobuf.Reader.create(bytes);
    place = () => `, at byte ${fileOffset(Math.min(reader.pos, bytes.length))}`;
    const proto = onnxProto.onnx.ModelProto.decode(reader);
    return { proto, defaults: proto.functions.length === 0 ? [] : functionDefaults(bytes) };
  } catch (cause) {
    if (cause instanceof SegmentedTensor) {
      throw unsupported(file, "a tensor is one segment of a larger one", { found: cause.message });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw undecodable(file, "the file is not a readable ONNX protobuf", {
      expected: `an ONNX model of ${size} bytes`,
      found: `${reason}${place()}`,
      cause,
    });
  } finally {
    window.close();
  }
}

/** The default domain has two spellings. */
function canonicalDomain(domain: string | null | undefined): string {
  return domain === "ai.onnx" ? "" : (domain ?? "");
}

function decodeOpsets(imports: readonly Onnx.IOperatorSetIdProto[], place: string): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const entry of imports) {
    const domain = canonicalDomain(entry.domain);
    const version = Number(toBigInt(entry.version ?? 0));
    const before = opsets.get(domain);
    if (before !== undefined && before !== version) {
      throw invalid(place, `the operator set "${domain}" is imported twice`, {
        found: `${before} and ${version}`,
      });
    }
    opsets.set(domain, version);
  }
  return opsets;
}

function decodeFunction(
  proto: Onnx.IFunctionProto & { readonly domain?: string | null },
  defaults: readonly Onnx.IAttributeProto[],
  source: TensorSource,
): OnnxFunction {
  const name = proto.name ?? "";
  const place = `function "${name}"`;
  return {
    name,
    domain: canonicalDomain(proto.domain),
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    defaults: new Map(defaults.map((a) => [a.name ?? "", decodeAttribute(a, source, place, 0)])),
    nodes: (proto.node ?? []).map((n) => decodeNode(n, source, 0)),
    opsets: decodeOpsets(proto.opsetImport ?? [], place),
  };
}

/** Decodes a graph; `depth` counts the subgraphs around it. */
export function decodeGraph(proto: Onnx.IGraphProto, source: TensorSource, depth: number): OnnxGraph {
  const name = proto.name ?? "";
  const sparse = proto.sparseInitializer?.[0];
  if (sparse !== undefined) {
    throw unsupported(`initializer "${sparse.values?.name ?? ""}"`, "sparse tensors are not supported", {
      remedy: "save the tensor densely",
    });
  }
  const initializers: NamedConstant[] = (proto.initializer ?? []).map((tensor) => {
    const tensorName = tensor.name ?? "";
    if (tensorName === "") throw invalid(`graph "${name}"`, "an initializer has no name");
    return { name: tensorName, constant: constantOfTensor(tensor, source, `tensor "${tensorName}"`) };
  });
  return {
    name,
    nodes: (proto.node ?? []).map((n) => decodeNode(n, source, depth)),
    initializers,
    inputs: (proto.input ?? []).map((v) => decodeValueInfo(v, "input")),
    outputs: (proto.output ?? []).map((v) => decodeValueInfo(v, "output")),
  };
}

function decodeNode(proto: Onnx.INodeProto, source: TensorSource, depth: number): OnnxNode {
  const attributes = new Map<string, OnnxAttribute>();
  const node: OnnxNode = {
    op: proto.opType ?? "",
    domain: canonicalDomain(proto.domain),
    name: proto.name ?? "",
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes,
  };
  const place = describeNode(node);
  for (const attribute of proto.attribute ?? []) {
    const name = attribute.name ?? "";
    if (attributes.has(name)) throw invalid(place, `the attribute "${name}" is given twice`);
    attributes.set(name, decodeAttribute(attribute, source, place, depth));
  }
  return node;
}

function decodeValueInfo(proto: Onnx.IValueInfoProto, part: string): OnnxValueInfo {
  const name = proto.name ?? "";
  const place = `${part} "${name}"`;
  if (name === "") throw invalid(place, `a graph ${part} has no name`);
  return { name, type: proto.type ? decodeType(proto.type, place) : null };
}

function decodeType(proto: Onnx.ITypeProto, place: string): OnnxType | null {
  if (proto.sequenceType) {
    const element = proto.sequenceType.elemType ? decodeType(proto.sequenceType.elemType, place) : null;
    if (element === null) return null;
    if (element.sequence) throw unsupported(place, "sequences of sequences are not supported");
    return { ...element, sequence: true };
  }
  if (proto.mapType || proto.optionalType || proto.sparseTensorType) {
    throw unsupported(place, "the type is not supported", {
      expected: "a tensor or a sequence of tensors",
      found: proto.mapType ? "map" : proto.optionalType ? "optional" : "sparse tensor",
    });
  }
  const tensor = proto.tensorType;
  if (!tensor) return null;
  const dtype = dtypeOfOnnx(tensor.elemType ?? 0, place);
  const shape = tensor.shape ? (tensor.shape.dim ?? []).map((d) => decodeDim(d, place)) : null;
  return { dtype, shape, sequence: false };
}

function decodeDim(proto: Onnx.TensorShapeProto.IDimension, place: string): number | string | null {
  if (proto.dimParam) return proto.dimParam;
  if (proto.dimValue === null || proto.dimValue === undefined) return null;
  const value = toBigInt(proto.dimValue);
  // Some exporters write -1 for a dimension that varies.
  if (value === -1n) return null;
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(place, "a dimension is not a size", { expected: "0 or more", found: `${value}` });
  }
  return Number(value);
}
