import type { onnx as Onnx } from "onnx-proto";
import { dtypeOfOnnx } from "./dtypes.js";
import { invalid, unsupported } from "./errors.js";
import { toBigInt } from "./integers.js";
import {
  type AttributeKind,
  describeNode,
  type NamedConstant,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxType,
  type OnnxValueInfo,
} from "./model.js";
import { constantOfTensor, type TensorSource } from "./tensors.js";

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

export function decodeNode(proto: Onnx.INodeProto, source: TensorSource, depth: number): OnnxNode {
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

/** The default domain has two spellings. */
export function canonicalDomain(domain: string | null | undefined): string {
  return domain === "ai.onnx" ? "" : (domain ?? "");
}

/** `AttributeProto.AttributeType` */
const KIND_OF: ReadonlyMap<number, AttributeKind> = new Map([
  [1, "float"],
  [2, "int"],
  [3, "string"],
  [4, "tensor"],
  [5, "graph"],
  [6, "floats"],
  [7, "ints"],
  [8, "strings"],
]);

/** Subgraphs within subgraphs; real exports nest two or three deep. */
const MAX_NESTING = 32;

/** Decodes one attribute into its typed record. */
export function decodeAttribute(
  proto: Onnx.IAttributeProto,
  source: TensorSource,
  place: string,
  depth: number,
): OnnxAttribute {
  if (proto.refAttrName) return { kind: "reference", value: proto.refAttrName };
  const kind = KIND_OF.get(proto.type ?? 0) ?? (proto.type ? "other" : guessKind(proto));
  const here = `${place}, attribute "${proto.name ?? ""}"`;
  switch (kind) {
    case "float":
      return { kind, value: proto.f ?? 0 };
    case "int":
      return { kind, value: toBigInt(proto.i ?? 0) };
    case "string":
      return { kind, value: text(proto.s ?? new Uint8Array(0)) };
    case "floats":
      return { kind, value: proto.floats ?? [] };
    case "ints":
      return { kind, value: (proto.ints ?? []).map(toBigInt) };
    case "strings":
      return { kind, value: (proto.strings ?? []).map(text) };
    case "tensor":
      if (!proto.t) throw invalid(here, "the attribute is said to be a tensor, and holds none");
      return { kind, value: constantOfTensor(proto.t, source, here) };
    case "graph":
      if (!proto.g) throw invalid(here, "the attribute is said to be a graph, and holds none");
      if (depth >= MAX_NESTING) {
        throw unsupported(here, "subgraphs are nested too deeply", {
          expected: `at most ${MAX_NESTING} levels`,
        });
      }
      return { kind, value: decodeGraph(proto.g, source, depth + 1) };
    default:
      return { kind: "other", value: `attribute type ${proto.type ?? 0}` };
  }
}

/** Files of the first IR version leave the type out. */
function guessKind(proto: Onnx.IAttributeProto): AttributeKind {
  if (proto.t) return "tensor";
  if (proto.g) return "graph";
  if (proto.floats?.length) return "floats";
  if (proto.ints?.length) return "ints";
  if (proto.strings?.length) return "strings";
  if (proto.s?.length) return "string";
  if (proto.f) return "float";
  return "int";
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
