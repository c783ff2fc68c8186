import type { DType } from "../../ir/dtype.js";
import { quantizedExport, unsupported } from "./errors.js";

/** `TensorProto.DataType` numbers; 17 and up are newer than the schema of `onnx-proto` and decode as numbers. */
const DTYPE_OF: ReadonlyMap<number, DType> = new Map([
  [1, "f32"],
  [2, "u8"],
  [3, "i8"],
  [4, "u16"],
  [5, "i16"],
  [6, "i32"],
  [7, "i64"],
  [9, "bool"],
  [10, "f16"],
  [11, "f64"],
  [12, "u32"],
  [13, "u64"],
  [16, "bf16"],
  [21, "u4"],
  [22, "i4"],
  [25, "u2"],
  [26, "i2"],
]);

const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [0, "UNDEFINED"],
  [8, "STRING"],
  [14, "COMPLEX64"],
  [15, "COMPLEX128"],
]);

/** Types that only quantized exports hold. */
const QUANTIZED_TYPES: ReadonlyMap<number, string> = new Map([
  [17, "FLOAT8E4M3FN"],
  [18, "FLOAT8E4M3FNUZ"],
  [19, "FLOAT8E5M2"],
  [20, "FLOAT8E5M2FNUZ"],
  [23, "FLOAT4E2M1"],
  [24, "FLOAT8E8M0"],
]);

/** The element type that an ONNX type number names; `place` is the tensor or node it stands on. */
export function dtypeOfOnnx(type: number, place: string): DType {
  const dtype = DTYPE_OF.get(type);
  if (dtype !== undefined) return dtype;
  const quantized = QUANTIZED_TYPES.get(type);
  if (quantized !== undefined) throw quantizedExport(place, `element type ${quantized}`);
  throw unsupported(place, "the element type is not a number type this reader knows", {
    expected: "a float, integer or bool type",
    found: OTHER_TYPES.get(type) ?? `type number ${type}`,
  });
}
