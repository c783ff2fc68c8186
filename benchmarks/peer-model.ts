import onnxProto, { type onnx as Onnx } from "onnx-proto";

/** Element types of ONNX tensors. */
const TYPES = { f32: 1, u8: 2, i8: 3 } as const;

/** A constant of a model. */
export interface Weight {
  readonly dims: readonly number[];
  readonly type: keyof typeof TYPES;
  readonly data: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>;
}

/** A model of f32 inputs and one f32 output `y`. */
export interface PeerModel {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly output: readonly number[];
  readonly weights: Readonly<Record<string, Weight>>;
  readonly nodes: readonly Onnx.INodeProto[];
}

/** A node; whole numbers are attributes of that type, others floats. */
export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ints: Readonly<Record<string, number | readonly number[]>> = {},
  domain = "",
): Onnx.INodeProto {
  const attribute = Object.entries(ints).map(([name, value]) => {
    if (typeof value !== "number") return { name, type: 7, ints: [...value] };
    return Number.isInteger(value) ? { name, type: 2, i: value } : { name, type: 1, f: value };
  });
  return { opType, domain, input: [...inputs], output: [...outputs], attribute };
}

/** The bytes of its file. */
export function encodeModel({ inputs, output, weights, nodes }: PeerModel): Uint8Array {
  const port = (name: string, dims: readonly number[]) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [
      { domain: "", version: 17 },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "peer",
      node: [...nodes],
      initializer: Object.entries(weights).map(([name, { dims, type, data }]) => ({
        name,
        dims: [...dims],
        dataType: TYPES[type],
        rawData: new Uint8Array(data.buffer),
      })),
      input: Object.entries(inputs).map(([name, dims]) => port(name, dims)),
      output: [port("y", output)],
    },
  }).finish();
}
