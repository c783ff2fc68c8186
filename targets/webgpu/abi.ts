import type { KernelArg } from "../../ir/program/program.js";

/** Storage buffers that a kernel may bind on any WebGPU device (`maxStorageBuffersPerShaderStage`). */
export const WGSL_STORAGE_BUFFERS = 8;

/** Bytes that a uniform binding may have on any WebGPU device. */
export const WGSL_UNIFORM_BYTES = 65_536;

/**
 * Which arguments of a WGSL kernel are uniform instead of storage buffers: none where the storage buffers suffice,
 * else the last f32 arguments that are read as a whole (bias before scales), as many as are too many. Templates and
 * the device both follow it.
 *
 * Bindings of group 0: the arguments in order, then the launch's words (uniform, at a dynamic offset).
 */
export function uniformArgs(args: readonly KernelArg[]): ReadonlySet<number> {
  const excess = Math.max(0, args.length - WGSL_STORAGE_BUFFERS);
  const vectors = args.flatMap((arg, i) =>
    !arg.byRow && arg.access === "read" && arg.dtype === "f32" ? [i] : [],
  );
  return new Set(excess === 0 ? [] : vectors.slice(-excess));
}
