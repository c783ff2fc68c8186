import type { Operation } from "../operation.js";

export function MatMul(n: Operation) {
  const a = n.input(0);
  const b = n.input(1);
  n.sameType(a, b);
  n.result("matmul", [a, b], {});
}

export function Gemm(n: Operation) {
  const a = n.input(0);
  const b = n.input(1);
  const c = n.optional(2);
  n.sameType(a, b, c);
  const attrs = {
    alpha: n.float("alpha", 1),
    beta: n.float("beta", 1),
    transA: n.flag("transA", false),
    transB: n.flag("transB", false),
  };
  n.result("gemm", c === null ? [a, b] : [a, b, c], attrs);
}

export function Einsum(n: Operation) {
  const operands = n.rest(0, 1);
  n.sameType(...operands);
  const equation = n.string("equation").replace(/\s/g, "");
  const terms = equation.split("->")[0]?.split(",") ?? [];
  if (!/^[A-Za-z.,]*(->[A-Za-z.]*)?$/.test(equation) || terms.length !== operands.length) {
    n.fail("the equation does not fit the operands", `${operands.length} terms of letters`, equation);
  }
  n.result("einsum", operands, { equation });
}
