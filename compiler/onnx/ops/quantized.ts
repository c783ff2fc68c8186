import type { Constant } from "../../../ir/constant/constant.js";
import { DTYPE_BITS, isFloat } from "../../../ir/dtype.js";
import { countOf } from "../../../ir/tensor.js";
import { reshapeConstant } from "../constants.js";
import type { Operation } from "../operation.js";

/**
 * (codes − zeroPoint) · scale. Constant codes (a weight) become a lazy constant: per tensor (scalar scale),
 * per axis (1-D scale), or blocked (scale of the codes' rank, one entry per `block_size` along the axis).
 */
export function DequantizeLinear(n: Operation) {
  const codes = n.input(0);
  const scale = n.input(1);
  const zeroPoint = n.optional(2);
  const axis = n.int("axis", 1);
  const blockSize = n.int("block_size", 0);
  const to = n.dtypeAttribute("output_dtype") ?? n.dtype(scale);
  if (!isFloat(n.dtype(scale))) n.fail("the scale is not a float", "f32, f16 or bf16", n.dtype(scale));
  if (isFloat(n.dtype(codes))) n.fail("the codes are not integers", "integer codes", n.dtype(codes));
  n.sameType(codes, zeroPoint);
  const constant = {
    codes: n.constantOf(codes),
    scale: n.constantOf(scale),
    zeroPoint: zeroPoint === null ? null : n.constantOf(zeroPoint),
  };
  if (constant.codes !== undefined && constant.scale !== undefined && constant.zeroPoint !== undefined) {
    const { codes: c, scale: s, zeroPoint: z } = constant;
    const value = dequantized(n, c, s, z, axis, blockSize);
    return n.resultConstant(
      to === value.dtype ? value : { ...value, dtype: to, source: { kind: "cast", of: value } },
    );
  }
  if (DTYPE_BITS[n.dtype(codes)] < 8) n.refuse("4- and 2-bit codes must be constant", n.dtype(codes));
  const operands = zeroPoint === null ? [codes, scale] : [codes, scale, zeroPoint];
  if (to === n.dtype(scale)) return n.result("dequantize-linear", operands, { axis, blockSize }, to);
  const value = n.emit("dequantize-linear", operands, { axis, blockSize }, n.dtype(scale));
  n.result("cast", [value], { to }, to);
}

function dequantized(
  n: Operation,
  codes: Constant,
  scale: Constant,
  zeroPoint: Constant | null,
  axis: number,
  blockSize: number,
): Constant {
  const perTensor = blockSize === 0 && countOf(scale.shape) === 1;
  const along = axis < 0 ? axis + codes.shape.length : axis;
  if (!perTensor && (along < 0 || along >= codes.shape.length)) {
    n.fail(
      "the axis is out of range for the codes",
      `an axis of ${codes.shape.length} dimensions`,
      `${axis}`,
    );
  }
  const expected = perTensor ? scale.shape : scaleShape(codes.shape, along, blockSize);
  if (!same(scale.shape, expected))
    n.fail("the scale has the wrong shape", shown(expected), shown(scale.shape));
  if (zeroPoint !== null && !same(zeroPoint.shape, scale.shape)) {
    n.fail("the zero point has another shape than the scale", shown(scale.shape), shown(zeroPoint.shape));
  }
  // One number for the whole tensor, whether written as a scalar or as a vector of one element.
  const flat = (c: Constant) => (perTensor && c.shape.length > 0 ? reshapeConstant(c, []) : c);
  return {
    dtype: scale.dtype,
    shape: codes.shape,
    source: {
      kind: "dequantize",
      codes,
      scale: flat(scale),
      zeroPoint: zeroPoint === null ? null : flat(zeroPoint),
      axis: perTensor ? 0 : along,
      blockSize,
    },
  };
}

function scaleShape(codes: readonly number[], axis: number, blockSize: number): readonly number[] {
  if (blockSize === 0) return [codes[axis] ?? 0];
  return codes.map((d, k) => (k === axis ? Math.ceil(d / blockSize) : d));
}

function shown(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

export function MatMulInteger(n: Operation) {
  const operands = [n.input(0), n.input(1), n.optional(2), n.optional(3)];
  for (const id of operands) if (id !== null) n.requireType(id, ["i8", "u8"]);
  n.result("matmul-integer", operands, {}, "i32");
}
