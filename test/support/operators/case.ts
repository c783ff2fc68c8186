import type { DType } from "../../../ir/dtype.js";
import { countOf, type Tensor, type TensorData } from "../../../ir/tensor.js";
import type { AttributeValue } from "../onnx-builder.js";
import { uniform } from "../random.js";

/** One ONNX node with operands, to be run by two implementations. */
export interface OperatorCase {
  readonly op: string;
  /** null: the operand is absent. */
  readonly operands: readonly (Tensor | null)[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly opset: number;
  readonly domain: string;
  readonly outputs: number;
  /** Operands that are initializers; the others are graph inputs. */
  readonly constant: readonly number[];
  /** Whether the inputs' dimensions are told as numbers; else as names. */
  readonly fixed: boolean;
}

type Options = Partial<Omit<OperatorCase, "op" | "operands" | "attributes">>;

export function operator(
  op: string,
  operands: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  options: Options = {},
): OperatorCase {
  return {
    op,
    operands,
    attributes,
    opset: 18,
    domain: "",
    outputs: 1,
    constant: [],
    fixed: false,
    ...options,
  };
}

const random = uniform(12345);

/** Random floats in [low, high). */
export function floats(shape: readonly number[], low = -2, high = 2): Tensor {
  const data = Float32Array.from({ length: countOf(shape) }, () => low + (high - low) * random());
  return { dtype: "f32", shape, data };
}

export function given(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  return { dtype, shape, data: dataOf(dtype, values) };
}

/** An i64 vector. */
export function list(...values: readonly number[]): Tensor {
  return given("i64", [values.length], values);
}

export function scalar(dtype: DType, value: number): Tensor {
  return given(dtype, [], [value]);
}

function dataOf(dtype: DType, values: readonly number[]): TensorData {
  switch (dtype) {
    case "i64":
      return BigInt64Array.from(values, BigInt);
    case "i32":
      return Int32Array.from(values);
    case "i8":
      return Int8Array.from(values);
    case "u8":
    case "bool":
      return Uint8Array.from(values);
    case "f64":
      return Float64Array.from(values);
    default:
      return Float32Array.from(values);
  }
}

// Operands that many cases share.
export const x = floats([2, 3, 4]);
export const positive = floats([2, 3, 4], 0.1, 3);
export const unit = floats([2, 5], -0.95, 0.95);
export const image = floats([2, 4, 6, 5]);
export const bools = given("bool", [2, 3], [1, 0, 1, 1, 0, 0]);
export const ints = given("i64", [2, 3], [7, -3, 5, -8, 2, 9]);
export const divisors = given("i64", [2, 3], [3, 2, -4, 3, 5, -2]);
export const microsoft = { domain: "com.microsoft" };
export const ints1 = (...values: readonly number[]): AttributeValue => ({ ints: values });

/** A case for each of the names, which spaces separate. */
export function each(names: string, make: (op: string) => OperatorCase): readonly OperatorCase[] {
  return names.split(" ").map(make);
}
