import { type UnpackDenseParams, unpackDenseSignature } from "../../ir/families/unpack-dense.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl } from "../wgsl/define.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

/** Divides every padded column count, so that a grid over n columns reaches the padding too. */
const THREADS = 64;

export function unpackDenseWgsl(params: UnpackDenseParams, target: Target): KernelDefinition {
  const { n, k, source } = params;
  return defineWgsl(
    {
      family: "unpack-dense",
      params,
      signature: unpackDenseSignature(params),
      template: "unpack-dense/vectors.wgsl.hbs",
      values: {
        n,
        k,
        nPad: paddedColumns(n),
        wide: source === "f32",
        brain: source === "bf16",
        threads: THREADS,
      },
      workgroup: [THREADS, 1, 1],
      tile: [THREADS, 1, 1],
      workgroupBytes: 0,
    },
    target,
  );
}
