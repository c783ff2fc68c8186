import type { Section } from "../operands.js";
import { adaln } from "./modulation.js";

/**
 * Integers with scales. What a bundle quantizes stays what it was quantized from: int8 rows are an approximation of
 * these floats that the kernels make.
 */
export const quantized: Section<"quantized"> = {
  "matmul-integer": (n) => n.op("MatMulInteger", n.rest()),
  "dequantize-linear": (n, { axis, blockSize }) =>
    n.op("DequantizeLinear", n.rest(), {
      axis: { int: axis },
      ...(blockSize === 0 ? {} : { block_size: { int: blockSize } }),
    }),
  "adaln-quantize": (n, { epsilon }) => [n.writer.cast(adaln(n, epsilon), n.dtype(0), "f32"), null, null],
  "quantize-rows": (n) => [n.as(0, "f32"), null, null],
};
