/**
 * WGSL kernels that profit from workgroup memory and packed dot products name this feature. A device has it unless its
 * adapter runs on the CPU, where barriers are task switches and workgroup memory is memory like any other.
 */
export const HARDWARE = "hardware";

/** WGSL's language feature of packed dot products. */
export const PACKED_DOT = "packed_4x8_integer_dot_product";

/** WebGPU's feature of 16-bit floats. */
export const SHADER_F16 = "shader-f16";

/** Dawn's experimental WGSL extension of matrices whose elements the invocations of a subgroup hold. */
export const SUBGROUP_MATRIX = "chromium-experimental-subgroup-matrix";

/** Shapes M x N x K that devices multiply: rows, columns, and the products of a sum. */
export const MATRIX_SHAPES = ["8x8x8", "8x16x16", "8x16x32", "16x16x16", "16x16x32", "16x8x16"] as const;
export type MatrixShape = (typeof MATRIX_SHAPES)[number];
/** What such matrices are of: sums are i32 and f32. */
export const MATRIX_OPERANDS = ["i8", "f16"] as const;
export type MatrixOperand = (typeof MATRIX_OPERANDS)[number];
/** Invocations of a subgroup, where all of a device's have so many. */
export const SUBGROUP_LANES = [4, 8, 16, 32, 64] as const;

/** What a kernel names that multiplies matrices of this shape; devices say which they have (`runtime/webgpu/features.ts`). */
export function matrixFeature(operands: MatrixOperand, shape: MatrixShape): string {
  return `subgroup-matrix-${operands}-${shape}`;
}

/** What a kernel names that reckons with subgroups of this size. */
export function lanesFeature(lanes: number): string {
  return `subgroups-of-${lanes}`;
}

/** Features of WebGPU devices that kernels may profit from, but no kind of devices of a target is known to have. */
export const EXTRA_FEATURES: readonly string[] = [
  SHADER_F16,
  SUBGROUP_MATRIX,
  ...SUBGROUP_LANES.map(lanesFeature),
  ...MATRIX_OPERANDS.flatMap((operands) => MATRIX_SHAPES.map((shape) => matrixFeature(operands, shape))),
];

/** WebAssembly's relaxed SIMD. */
export const RELAXED_SIMD = "relaxed-simd";
