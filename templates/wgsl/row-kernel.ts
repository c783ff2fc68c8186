import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl, type WgslKernel } from "./define.js";

/** Bytes of the arrays in `wgsl/row.wgsl`: 64 parts and 8 results. */
const ROW_BYTES = (64 + 8) * 4;

/** A kernel of one workgroup of 64 invocations per row, as `wgsl/row.wgsl` has it. */
export function defineRowKernel(
  kernel: Pick<WgslKernel, "family" | "params" | "signature" | "template" | "values" | "header">,
  target: Target,
): KernelDefinition {
  return defineWgsl({ ...kernel, workgroup: [64, 1, 1], tile: [1, 1, 1], workgroupBytes: ROW_BYTES }, target);
}
