import onnxProto, { type onnx as Onnx } from "onnx-proto";

/** Builds small ONNX models in memory. Nothing is checked: broken models are wanted too. */

/** `TensorProto.DataType` */
export const ONNX_TYPE = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  string: 8,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  bf16: 16,
  f8: 17,
  u4: 21,
  i4: 22,
  f4: 23,
  u2: 25,
  i2: 26,
} as const;
export type OnnxTypeName = keyof typeof ONNX_TYPE;

export interface AttributeValue {
  readonly i?: number | bigint;
  readonly f?: number;
  readonly s?: string;
  readonly ints?: readonly (number | bigint)[];
  readonly floats?: readonly number[];
  readonly strings?: readonly string[];
  readonly t?: Onnx.ITensorProto;
  readonly g?: Onnx.IGraphProto;
  /** Name of an attribute of the function the node is in. */
  readonly ref?: string;
}

/** A 64-bit integer in the form that protobufjs encodes exactly. */
export function int64(value: number | bigint): NonNullable<Onnx.IAttributeProto["i"]> {
  return onnxProto.onnx.AttributeProto.fromObject({ i: `${BigInt.asIntN(64, BigInt(value))}` }).i;
}

function attributeProto(name: string, value: AttributeValue): Onnx.IAttributeProto {
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (value.ref !== undefined) return { name, refAttrName: value.ref, type: 2 };
  if (value.i !== undefined) return { name, type: 2, i: int64(value.i) };
  if (value.f !== undefined) return { name, type: 1, f: value.f };
  if (value.s !== undefined) return { name, type: 3, s: bytes(value.s) };
  if (value.t !== undefined) return { name, type: 4, t: value.t };
  if (value.g !== undefined) return { name, type: 5, g: value.g };
  if (value.floats !== undefined) return { name, type: 6, floats: [...value.floats] };
  if (value.strings !== undefined) return { name, type: 8, strings: value.strings.map(bytes) };
  return { name, type: 7, ints: (value.ints ?? []).map(int64) };
}

export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  more: { readonly domain?: string; readonly name?: string } = {},
): Onnx.INodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
  return {
    opType,
    input: [...input],
    output: [...output],
    attribute,
    name: more.name ?? "",
    domain: more.domain ?? "",
  };
}

/** A tensor input or output; dims are sizes, names, or null for neither. No dims: unknown rank. */
export function value(
  name: string,
  type: OnnxTypeName | number = "f32",
  dims?: readonly (number | string | null)[],
): Onnx.IValueInfoProto {
  const elemType = typeof type === "number" ? type : ONNX_TYPE[type];
  const dim = dims?.map((d) => (d === null ? {} : typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: dim === undefined ? { elemType } : { elemType, shape: { dim } } } };
}

export function sequenceValue(name: string, type: OnnxTypeName = "f32"): Onnx.IValueInfoProto {
  return { name, type: { sequenceType: { elemType: { tensorType: { elemType: ONNX_TYPE[type] } } } } };
}

/** A tensor whose values are in raw_data. */
export function tensor(
  name: string,
  type: OnnxTypeName,
  dims: readonly number[],
  values: readonly (number | bigint)[],
): Onnx.ITensorProto {
  return { name, dims: [...dims], dataType: ONNX_TYPE[type], rawData: rawBytes(type, values) };
}

/** Little-endian bytes. f16 and bf16 values are given as their bits, packed types as bytes. */
export function rawBytes(type: OnnxTypeName, values: readonly (number | bigint)[]): Uint8Array {
  const numbers = values.map(Number);
  switch (type) {
    case "f32":
      return bytesOf(Float32Array.from(numbers));
    case "f64":
      return bytesOf(Float64Array.from(numbers));
    case "i64":
    case "u64":
      return bytesOf(BigInt64Array.from(values.map((v) => BigInt.asIntN(64, BigInt(v)))));
    case "i32":
    case "u32":
      return bytesOf(Uint32Array.from(numbers));
    case "i16":
    case "u16":
    case "f16":
    case "bf16":
      return bytesOf(Uint16Array.from(numbers));
    default:
      return bytesOf(Uint8Array.from(numbers));
  }
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A tensor whose bytes are in another file. */
export function externalTensor(
  name: string,
  type: OnnxTypeName,
  dims: readonly number[],
  entries: Readonly<Record<string, string>>,
): Onnx.ITensorProto {
  const externalData = Object.entries(entries).map(([key, v]) => ({ key, value: v }));
  return { name, dims: [...dims], dataType: ONNX_TYPE[type], dataLocation: 1, externalData };
}

export interface GraphParts {
  readonly name?: string;
  readonly inputs?: readonly Onnx.IValueInfoProto[];
  readonly outputs?: readonly Onnx.IValueInfoProto[];
  readonly nodes?: readonly Onnx.INodeProto[];
  readonly initializers?: readonly Onnx.ITensorProto[];
  readonly sparse?: readonly Onnx.ISparseTensorProto[];
}

export function graph(parts: GraphParts): Onnx.IGraphProto {
  return {
    name: parts.name ?? "test",
    input: [...(parts.inputs ?? [])],
    output: [...(parts.outputs ?? [])],
    node: [...(parts.nodes ?? [])],
    initializer: [...(parts.initializers ?? [])],
    sparseInitializer: [...(parts.sparse ?? [])],
  };
}

export interface FunctionParts {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly string[];
  readonly nodes: readonly Onnx.INodeProto[];
  readonly opset?: number;
}

/** The bytes of a model. `domains` are operator sets beside the default one. */
export function model(
  parts: GraphParts,
  more: {
    readonly opset?: number | null;
    readonly domains?: readonly string[];
    readonly functions?: readonly FunctionParts[];
  } = {},
): Uint8Array {
  const opset = more.opset === undefined ? 17 : more.opset;
  const opsetImport = [
    ...(opset === null ? [] : [{ domain: "", version: opset }]),
    ...(more.domains ?? []).map((domain) => ({ domain, version: 1 })),
  ];
  const functions = (more.functions ?? []).map((f) => ({
    name: f.name,
    domain: f.domain,
    input: [...f.inputs],
    output: [...f.outputs],
    attribute: [...(f.attributes ?? [])],
    node: [...f.nodes],
    opsetImport: [{ domain: "", version: f.opset ?? 17 }],
  }));
  const irVersion = functions.length > 0 ? 8 : opset !== null && opset >= 21 ? 10 : 8;
  return onnxProto.onnx.ModelProto.encode({
    irVersion,
    opsetImport,
    graph: graph(parts),
    functions,
  }).finish();
}
