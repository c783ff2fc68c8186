import { type MatmulParams, matmulSignature } from "../../ir/families/matmul.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, scalarOffset, watArgs } from "../wat/define.js";

const TILE_N = 32;
const TILE_M = 8;

export function matmulWat(params: MatmulParams): KernelDefinition {
  const signature = matmulSignature(params);
  return defineWat("matmul", params, signature, {
    template: "matmul/matmul.wat.hbs",
    values: { args: watArgs(signature), sizes: scalarOffset(signature), tileN: TILE_N, tileM: TILE_M },
    tile: [TILE_N, TILE_M, 1],
  });
}
