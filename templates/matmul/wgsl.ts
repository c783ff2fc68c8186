import { type MatmulParams, matmulSignature } from "../../ir/families/matmul.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl } from "../wgsl/define.js";

export function matmulWgsl(params: MatmulParams, target: Target): KernelDefinition {
  return defineWgsl(
    {
      family: "matmul",
      params,
      signature: matmulSignature(params),
      template: "matmul/tiled.wgsl.hbs",
      values: {},
      workgroup: [8, 8, 1],
      tile: [32, 32, 1],
      workgroupBytes: (32 * 17 + 16 * 33) * 4,
    },
    target,
  );
}
