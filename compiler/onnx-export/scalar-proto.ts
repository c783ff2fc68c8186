import type { onnx as Onnx } from "onnx-proto";
import { convertData, encodeBytes } from "../../ir/constant/convert.js";
import type { DType } from "../../ir/dtype.js";
import { ONNX_TYPE } from "./format.js";

/** One number as a tensor [1] that an attribute holds. */
export function scalarProto(value: number, dtype: DType): Onnx.ITensorProto {
  const data = convertData(Float64Array.of(value), "f64", dtype);
  return { dims: [1], dataType: ONNX_TYPE[dtype], rawData: encodeBytes(dtype, data) };
}
