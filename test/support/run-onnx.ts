import * as ort from "onnxruntime-node";
import type { DType } from "../../ir/dtype.js";
import type { Tensor, TensorData } from "../../ir/tensor.js";

/** ONNX Runtime's names of the element types that have a typed array. */
const ORT_TYPES = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
} as const;

function toOrt({ dtype, data, shape }: Tensor): ort.Tensor {
  const type = Object.entries(ORT_TYPES).find(([name]) => name === dtype)?.[1];
  if (type === undefined) throw new Error(`no tensors of ${dtype}`);
  // The constructor's overloads tie each type to its array, which the table above has done already.
  const Create = ort.Tensor as unknown as new (
    type: string,
    data: unknown,
    dims: readonly number[],
  ) => ort.Tensor;
  return new Create(type, data, shape);
}

function fromOrt(tensor: ort.Tensor): Tensor {
  const dtype = Object.entries(ORT_TYPES).find(([, type]) => type === tensor.type)?.[0] as DType | undefined;
  if (dtype === undefined) throw new Error(`no tensors of ${tensor.type}`);
  return { dtype, shape: tensor.dims, data: tensor.data as TensorData };
}

/** An ONNX file, or its bytes, in ONNX Runtime, as its defaults are unless told otherwise, for any number of passes. */
export async function openOnnx(
  model: string | Uint8Array,
  options: ort.InferenceSession.SessionOptions = {},
) {
  const settings = { logSeverityLevel: 4, intraOpNumThreads: 1, interOpNumThreads: 1, ...options } as const;
  const session = await (typeof model === "string"
    ? ort.InferenceSession.create(model, settings)
    : ort.InferenceSession.create(model, settings));
  return {
    async run(inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
      const feeds = Object.fromEntries([...inputs].map(([name, tensor]) => [name, toOrt(tensor)]));
      const results = await session.run(feeds);
      return new Map(Object.entries(results).map(([name, tensor]) => [name, fromOrt(tensor)]));
    },
    release: () => session.release(),
  };
}

/** One pass of an ONNX file. */
export async function runOnnx(
  path: string,
  inputs: ReadonlyMap<string, Tensor>,
  options: ort.InferenceSession.SessionOptions = {},
): Promise<ReadonlyMap<string, Tensor>> {
  const model = await openOnnx(path, options);
  try {
    return await model.run(inputs);
  } finally {
    await model.release();
  }
}
