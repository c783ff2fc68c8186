import type { Section } from "../operands.js";
import { flag } from "../writer.js";

/** Products of matrices and tensors. */
export const linalg: Section<"linalg"> = {
  matmul: (n) => n.op("MatMul", n.rest()),
  gemm: (n, { alpha, beta, transA, transB }) =>
    n.op("Gemm", n.rest(), {
      alpha: { float: alpha },
      beta: { float: beta },
      transA: flag(transA),
      transB: flag(transB),
    }),
  einsum: (n, { equation }) => n.op("Einsum", n.rest(), { equation: { string: equation } }),
};
