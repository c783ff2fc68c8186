import { einsum } from "./tensors/einsum.js";
import { gemm, matmul } from "./tensors/matmul.js";
import type { Section } from "./value.js";

/** Products of matrices and tensors. */
export const LINALG: Section<"linalg"> = {
  matmul: (x, _, c) => matmul(x.tensor(0), x.tensor(1), c),
  gemm: (x, attrs, c) => gemm(x.tensor(0), x.tensor(1), x.optional(2), attrs, c),
  einsum: (x, { equation }, c) => einsum(equation, x.tensors(), c),
};
