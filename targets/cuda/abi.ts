import type { Kernel } from "../../ir/program/program.js";

/**
 * What CUDA kernels and the runtime agree on. A kernel is `extern "C" __global__ void <entry>(Arguments, TensorMap…)`
 * with every parameter by value (`__grid_constant__`). `Arguments` is
 *
 *   u32 rows; u32 0; u64 address of the step index (a u32 in device memory);
 *   per argument: u64 address of row 0, u32 row stride, u32 step stride (both in elements of its dtype);
 *   u32 or f32 per scalar; padding to 8 bytes
 *
 * and each `TensorMap` 128 bytes, aligned to 64, as `cuTensorMapEncodeTiled` fills it. It is all zeros for rows of
 * floats that no map describes: rows that do not start at multiples of 16 bytes, that repeat row 0 (and are more than
 * one) or that a step moves. Kernels test that and read such rows by themselves. int8 rows always fit. The blocks of a launch are its
 * tiles; a persistent kernel finds its tiles from `rows` and its own sizes.
 */
export const CUDA_ARGUMENT_BYTES = 16;

/** Bytes of `Arguments` before the first argument. */
export const CUDA_HEADER_BYTES = 16;

/** Bytes of a tensor map. */
export const CUDA_TENSOR_MAP_BYTES = 128;

/** The name of the function in the kernel's module. */
export function cudaEntry(kernel: Pick<Kernel, "family">): string {
  return kernel.family.replaceAll("-", "_");
}

/** Bytes of `Arguments`. */
export function cudaArgumentBytes(kernel: Pick<Kernel, "args" | "scalars">): number {
  const bytes = CUDA_HEADER_BYTES + CUDA_ARGUMENT_BYTES * kernel.args.length + 4 * kernel.scalars.length;
  return Math.ceil(bytes / 8) * 8;
}

/**
 * Whether a device of compute capability `major`.`minor` runs a kernel that needs `feature`: an architecture
 * (`sm_80`) means that or a later one, one with an `a` (`sm_90a`) that one alone.
 */
export function cudaRunsOn(feature: string, major: number, minor: number): boolean {
  const match = /^sm_([1-9]\d{0,2})(a?)$/.exec(feature);
  if (match === null) return false;
  const [needed, capability] = [Number(match[1]), 10 * major + minor];
  return match[2] === "a" ? capability === needed : capability >= needed;
}
