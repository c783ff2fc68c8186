import { type DenseGemmParams, type DenseLayout, denseGemmSignature } from "../../ir/families/dense-gemm.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl, exactly } from "../wgsl/define.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, HARDWARE, paddedColumns, tileColumns, tileRows } from "../wgsl/gemm-tile.js";

/** Elements of k in workgroup memory at a time. */
const STAGE = 16;

export function denseGemmWgsl(params: DenseGemmParams, target: Target): KernelDefinition {
  const { threadsX, threadsY, blockM } = GEMM_TILE;
  const values = {
    threadsX,
    threadsY,
    blockM,
    vectors: exactly(GEMM_TILE.blockN, 4, "columns of one invocation"),
    epilogue: gemmEpilogue(params),
    k: params.k,
    nVectors: exactly(paddedColumns(params.n), 4, "columns of the weight layout"),
  };
  const shared = {
    family: "dense-gemm",
    params,
    signature: denseGemmSignature(params),
    header: { elements: { weights: "vec4<f32>" }, lengths: { bias: params.n } },
    workgroup: [threadsX, threadsY, 1],
    tile: [tileColumns(GEMM_TILE), tileRows(GEMM_TILE), 1],
  } as const;
  const direct = defineWgsl(
    {
      ...shared,
      template: "dense-gemm/direct.wgsl.hbs",
      values: { ...values, kWhole: params.k - (params.k % 4) },
      workgroupBytes: 0,
    },
    target,
  );
  return defineWgsl(
    {
      ...shared,
      template: "dense-gemm/tiled.wgsl.hbs",
      values,
      workgroupBytes: tileRows(GEMM_TILE) * (STAGE / 4 + 1) * 16 + tileColumns(GEMM_TILE) * STAGE * 4,
      features: [HARDWARE],
      fallback: direct,
    },
    target,
  );
}

/** f32 [k][column], columns padded to whole tiles. */
export function denseWeightWordsWgsl({ n, k }: DenseLayout): number {
  return k * paddedColumns(n);
}
