import type { DType } from "../../ir/dtype.js";

/** `TensorProto.DataType` of each element type. */
export const ONNX_TYPE: Readonly<Record<DType, number>> = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  bf16: 16,
  f8e4m3: 17,
  f8e5m2: 19,
  u4: 21,
  i4: 22,
  u2: 25,
  i2: 26,
};

/** The opsets that can be written, and the IR version that each was released with. */
const IR_VERSIONS: ReadonlyMap<number, number> = new Map([
  [21, 10],
  [22, 10],
  [23, 11],
  [24, 12],
  [25, 13],
]);
export const OPSETS: readonly number[] = [...IR_VERSIONS.keys()];

/** The IR version of a file whose operators are those of an opset. */
export function irVersionOf(opset: number): number {
  const version = IR_VERSIONS.get(opset);
  if (version === undefined) throw new RangeError(`no opset ${opset} is written: ${OPSETS.join(", ")}`);
  return version;
}

/**
 * How ternary weights are written: as floats; or as 2- or 4-bit integers, one scale a row, with a DequantizeLinear.
 * DequantizeLinear takes 4-bit integers from opset 21 on and 2-bit ones from opset 25.
 */
export type WeightForm = "dequantized" | "4bit" | "2bit";
export const WEIGHT_FORMS: readonly WeightForm[] = ["dequantized", "4bit", "2bit"];

/** The element type of dequantized weights. */
export type WeightType = "f32" | "f16" | "bf16";
export const WEIGHT_TYPES: readonly WeightType[] = ["bf16", "f16", "f32"];

/** The lowest opset that can hold weights of a form. */
export function lowestOpset(form: WeightForm): number {
  return form === "2bit" ? 25 : 21;
}
