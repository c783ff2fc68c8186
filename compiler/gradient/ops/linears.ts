import { operand, optional, type Section } from "../rules.js";

/** x·Wᵀ + b. Gradients are taken before anything is fused into it, and before weights are ternary. */
export const linears: Section<"linears"> = {
  linear(b, node, [g]) {
    const { activation, gated } = node.attrs;
    if (activation !== "none" || gated) return [];
    const [x, weight, bias] = [operand(node, 0), operand(node, 1), optional(node, 2)];
    const rows = b.matrix(g);
    const dx = b.reshape(b.gemm(rows, weight), b.shape(x));
    const dw = b.gemm(rows, b.matrix(x), { transA: true });
    return bias === null ? [dx, dw] : [dx, dw, b.sumTo(g, b.shape(bias))];
  },
};
