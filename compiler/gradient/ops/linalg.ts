import type { ValueId } from "../../../ir/graph/graph.js";
import type { Builder } from "../builder.js";
import { operand, optional, type Section } from "../rules.js";

/** Products of matrices: C = A·B gives dA = dC·Bᵀ and dB = Aᵀ·dC. */
export const linalg: Section<"linalg"> = {
  matmul(b, node, [g]) {
    const [x, y] = [operand(node, 0), operand(node, 1)];
    const [a, c] = [asMatrix(b, x, "row"), asMatrix(b, y, "column")];
    const shape = [...b.shape(g)];
    if (b.rank(y) === 1) shape.push(1);
    if (b.rank(x) === 1) shape.splice(shape.length - 1, 0, 1);
    const product = b.reshape(g, shape);
    const [da, dc] = [b.matmul(product, b.transposeMatrix(c)), b.matmul(b.transposeMatrix(a), product)];
    return [b.reshape(b.sumTo(da, b.shape(a)), b.shape(x)), b.reshape(b.sumTo(dc, b.shape(c)), b.shape(y))];
  },

  /** alpha·op(A)·op(B) + beta·C */
  gemm(b, node, [g]) {
    const { alpha, beta, transA, transB } = node.attrs;
    const [x, y, c] = [operand(node, 0), operand(node, 1), optional(node, 2)];
    const scaled = alpha === 1 ? g : b.mul(g, alpha);
    const dx = transA
      ? b.gemm(y, scaled, { transA: transB, transB: true })
      : b.gemm(scaled, y, { transB: !transB });
    const dy = transB
      ? b.gemm(scaled, x, { transA: true, transB: transA })
      : b.gemm(x, scaled, { transA: !transA });
    if (c === null) return [dx, dy];
    return [dx, dy, b.sumTo(beta === 1 ? g : b.mul(g, beta), b.shape(c))];
  },
};

/** A vector as the matrix that a product takes it for. */
function asMatrix(b: Builder, x: ValueId, as: "row" | "column"): ValueId {
  const shape = b.shape(x);
  if (shape.length > 1) return x;
  return b.reshape(x, as === "row" ? [1, ...shape] : [...shape, 1]);
}
