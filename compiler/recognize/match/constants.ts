import type { ByteReader, Constant } from "../../../ir/constant/constant.js";
import { readConstant } from "../../../ir/constant/read.js";
import { countOf } from "../../../ir/tensor.js";

/** Elements of a constant as numbers; undefined when there are more than `limit` or they depend on symbols. */
export function numbersOf(constant: Constant, reader: ByteReader, limit: number): Float64Array | undefined {
  const count = countOf(constant.shape);
  if (count > limit) return undefined;
  const { source } = constant;
  if (source.kind === "fill") return new Float64Array(count).fill(source.value);
  if (source.kind === "dims") {
    const dims = source.dims.filter((d) => typeof d === "number");
    return dims.length === count ? Float64Array.from(dims) : undefined;
  }
  return Float64Array.from(readConstant(constant, reader).data, Number);
}

/** Whether every element is `value`. Reads constants of up to 2^17 elements. */
export function isFilledWith(constant: Constant, value: number, reader: ByteReader): boolean {
  if (constant.source.kind === "fill") return constant.source.value === value;
  return numbersOf(constant, reader, 1 << 17)?.every((v) => v === value) ?? false;
}
