import { type MatmulParams, matmulSignature } from "../../ir/families/matmul.js";
import type { Target } from "../../targets/target.js";
import { defineCuda } from "../cuda/define.js";
import type { KernelDefinition } from "../family.js";

export function matmulCuda(params: MatmulParams, target: Target): KernelDefinition {
  return defineCuda("matmul", params, matmulSignature(params), target, [
    { requires: "sm_70", template: "matmul/tiled.cu.hbs", values: {}, threads: 256, tile: [64, 64, 1] },
  ]);
}
