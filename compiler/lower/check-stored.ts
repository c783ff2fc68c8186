import { type Constant, operandsOf } from "../../ir/constant/constant.js";
import { DTYPE_BITS } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { countOf } from "../../ir/tensor.js";
import type { WeightTensor } from "./weights.js";

/** Bytes that a program may store of values that its model computes: tables, masks. */
const MOST_COMPUTED_BYTES = 2 ** 30;
/** The most that conversion makes of stored bytes: 4-bit codes to f32. */
const CONVERSION = 8;

/**
 * Refuses weights of which far more are to be written than the model has: a node of a few bytes may name a constant that
 * fills a disk. Throws TRITC_E_BUFFER_LIMIT.
 */
export function checkStored(tensors: readonly WeightTensor[]): void {
  const sources = new Map<Constant, number>();
  const sourceBytes = (constant: Constant): number => {
    const known = sources.get(constant);
    if (known !== undefined) return known;
    const { source } = constant;
    let bytes = source.kind === "inline" ? source.bytes.length : source.kind === "file" ? source.length : 0;
    for (const operand of operandsOf(source)) bytes += sourceBytes(operand);
    sources.set(constant, bytes);
    return bytes;
  };
  let total = 0;
  for (const { name, dtype, shape, constant } of tensors) {
    const bytes = (countOf(shape) * DTYPE_BITS[dtype]) / 8;
    total += Math.max(0, bytes - CONVERSION * sourceBytes(constant));
    if (total <= MOST_COMPUTED_BYTES) continue;
    throw new TritcError({
      code: "TRITC_E_BUFFER_LIMIT",
      message: "the constants that the model computes take more memory than a program may store of them",
      place: name,
      expected: `at most ${MOST_COMPUTED_BYTES} bytes`,
      found: `${bytes} bytes here, more than ${MOST_COMPUTED_BYTES} in all`,
      remedy: "check the sizes of ConstantOfShape, Expand and the like, or make these values an input",
    });
  }
}
