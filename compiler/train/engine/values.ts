import type { DType } from "../../../ir/dtype.js";
import { type Graph, typeOf, type ValueId } from "../../../ir/graph/graph.js";
import { printType } from "../../../ir/graph/print.js";
import { countOf, type Tensor, type TensorData } from "../../../ir/tensor.js";
import type { OrtValue } from "../../../runtime/node/ort-process.js";

/** A value of known size that goes in or comes out. */
export interface PortType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** ONNX Runtime's name for the arrays that tensors of an element type have here. */
const ORT_TYPES: Partial<Record<DType, string>> = {
  f64: "float64",
  f32: "float32",
  i64: "int64",
  u64: "uint64",
  i32: "int32",
  u32: "uint32",
  i16: "int16",
  u16: "uint16",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
};

/** Narrow floats cross as f32, which tensors hold them in; a Cast behind the input and before the output loses nothing. */
export function portDtype(dtype: DType): DType {
  return dtype === "bf16" || dtype === "f16" ? "f32" : dtype;
}

/** Throws where the type of an input or output is not known to the number. */
export function portType(graph: Graph, id: ValueId): PortType {
  const type = typeOf(graph, id);
  const shape = type.shape?.filter((dim) => typeof dim === "number");
  if (shape === undefined || shape.length !== type.shape?.length || ortType(type.dtype) === undefined) {
    throw new Error(`graph ${graph.name}: ${id} is ${printType(type)}, and a training step has sizes`);
  }
  return { dtype: type.dtype, shape };
}

function ortType(dtype: DType): string | undefined {
  return ORT_TYPES[portDtype(dtype)];
}

/** Throws where the tensor is not of the type, or absent. */
export function toOrt(id: ValueId, type: PortType, tensor: Tensor | undefined): OrtValue {
  const found = tensor === undefined ? "nothing" : printType(tensor);
  if (tensor === undefined || found !== printType(type) || tensor.data.length !== countOf(type.shape)) {
    throw new Error(`${id} is ${printType(type)}, and was given ${found}`);
  }
  const { dtype, shape, data } = tensor;
  // Floats may come as f64 values.
  const isWide = data instanceof Float64Array && dtype !== "f64";
  return [id, ortType(dtype) ?? "", isWide ? Float32Array.from(data) : data, shape];
}

export function fromOrt({ dtype, shape }: PortType, [, , data]: OrtValue): Tensor {
  return { dtype, shape, data: data as TensorData };
}
