/**
 * WGSL kernels that profit from workgroup memory and packed dot products name this feature. A device has it unless its
 * adapter runs on the CPU, where barriers are task switches and workgroup memory is memory like any other.
 */
export const HARDWARE = "hardware";

/** WGSL's language feature of packed dot products. */
export const PACKED_DOT = "packed_4x8_integer_dot_product";

/** WebAssembly's relaxed SIMD. */
export const RELAXED_SIMD = "relaxed-simd";
