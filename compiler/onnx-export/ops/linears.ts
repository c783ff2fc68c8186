import type { DType } from "../../../ir/dtype.js";
import type { Activation } from "../../../ir/ops/linears.js";
import { activated } from "../activations.js";
import type { Operands, Section } from "../operands.js";
import type { Name } from "../writer.js";
import { qkNormRope } from "./attention.js";
import { gated } from "./modulation.js";

/** x·Wᵀ + b; weight [out, in]. */
function product(n: Operands, x: Name, weight: Name, bias: Name | null): Name {
  const y = n.op("MatMul", [x, n.transpose(weight, [1, 0])]);
  return bias === null ? y : n.op("Add", [y, bias]);
}

interface Epilogue {
  readonly activation: Activation;
  readonly gated: boolean;
}

/** Activation, then residual + gate·y, whose operands are `first` and the next. */
function epilogue(n: Operands, y: Name, dtype: DType, attrs: Epilogue, first: number): Name {
  const active = activated(n, y, attrs.activation);
  if (!attrs.gated) return active;
  const [gate, residual] = [n.as(first, dtype), n.as(first + 1, dtype)];
  return gated(n, residual, gate, active, n.rank(first), n.outShape().length);
}

interface TernaryProduct {
  readonly y: Name;
  readonly dtype: DType;
  /** Index of the first operand after the bias. */
  readonly next: number;
}

/** x·(s·T)ᵀ + b in f32. Quantized rows are what they were quantized from: x itself. */
function ternaryProduct(n: Operands, quantized: boolean): TernaryProduct {
  const first = quantized ? 3 : 1;
  const x = quantized ? n.input(0) : n.as(0, "f32");
  const weight = n.values.ternaryWeight(n.id(first), n.id(first + 1));
  const bias = n.has(first + 2) ? n.as(first + 2, "f32") : null;
  return { y: product(n, x, weight, bias), dtype: "f32", next: first + 3 };
}

/** Linear layers: MatMul with the transposed weight, Add, and what was fused into them. */
export const linears: Section<"linears"> = {
  linear: (n, attrs) => {
    const dtype = n.dtype(0);
    const y = product(n, n.input(0), n.as(1, dtype), n.has(2) ? n.as(2, dtype) : null);
    return epilogue(n, y, dtype, attrs, 3);
  },
  "ternary-linear": (n, attrs) => {
    const { y, dtype, next } = ternaryProduct(n, attrs.quantized);
    return epilogue(n, y, dtype, attrs, next);
  },
  "ternary-qkv": (n, { quantized, headDim, epsilon, width }) => {
    const { y, dtype, next } = ternaryProduct(n, quantized);
    const weights = n.as(next, dtype);
    const [cos, sin] = [n.as(next + 1, dtype), n.as(next + 2, dtype)];
    const shape = n.outShape();
    const axis = shape.length - 1;
    const total = Number(shape[axis]);
    const heads = [0, 1].map((k) => {
      const weight = n.part(weights, 0, k * headDim, headDim);
      const x = n.part(y, axis, k * width, width);
      return qkNormRope(n, { x, weight, cos, sin, dtype, rank: axis + 1, width, headDim, epsilon });
    });
    const rest = total > 2 * width ? [n.part(y, axis, 2 * width, total - 2 * width)] : [];
    return n.op("Concat", [...heads, ...rest], { axis: { int: axis } });
  },
};
