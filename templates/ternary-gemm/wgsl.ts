import {
  type TernaryGemmParams,
  type TernaryLayout,
  ternaryGemmSignature,
} from "../../ir/families/ternary-gemm.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWgsl } from "../wgsl/define.js";
import { gemmEpilogue } from "../wgsl/functions.js";
import { GEMM_TILE, HARDWARE, paddedColumns, tileColumns, tileRows } from "../wgsl/gemm-tile.js";

/** Codes of one word. */
export const GROUP = 16;
/** Groups of one stage in workgroup memory: 64 rows x 64 codes, 5 KiB with padding. */
const STAGE_GROUPS = 4;

export function ternaryGemmWgsl(params: TernaryGemmParams, target: Target): KernelDefinition {
  return params.activations === "i8" ? int8(params, target) : float(params, target);
}

/** Word [k / 16][column] holds codes u = t + 1 of 16 k's of one column. */
export function ternaryWeightWordsWgsl({ n, k }: TernaryLayout): number {
  return kGroups(k) * paddedColumns(n);
}

/** Layers from this many weights on run long enough to repay the compile time of unrolled loops. */
const UNROLL_WEIGHTS = 2 ** 20;

function unrolling({ n, k }: TernaryLayout) {
  const rolled = n * k < UNROLL_WEIGHTS;
  return { rolled, copies: rolled ? 1 : 4 };
}

const kGroups = (k: number): number => Math.ceil(k / GROUP);

function shared(params: TernaryGemmParams) {
  return {
    family: "ternary-gemm",
    params,
    signature: ternaryGemmSignature(params),
    header: { lengths: { bias: params.n, scales: params.n } },
    workgroup: [GEMM_TILE.threadsX, GEMM_TILE.threadsY, 1],
    tile: [tileColumns(GEMM_TILE), tileRows(GEMM_TILE), 1],
  } as const;
}

function int8(params: TernaryGemmParams, target: Target): KernelDefinition {
  const values = {
    ...GEMM_TILE,
    epilogue: gemmEpilogue(params),
    kGroups: kGroups(params.k),
    nPad: paddedColumns(params.n),
  };
  const plain = defineWgsl(
    {
      ...shared(params),
      template: "ternary-gemm/int8-plain.wgsl.hbs",
      values: { ...values, ...unrolling(params) },
      workgroupBytes: 0,
    },
    target,
  );
  return defineWgsl(
    {
      ...shared(params),
      template: "ternary-gemm/int8-packed.wgsl.hbs",
      values: { ...values, groups: STAGE_GROUPS },
      workgroupBytes: tileRows(GEMM_TILE) * (STAGE_GROUPS + 1) * 16,
      features: [HARDWARE, "packed_4x8_integer_dot_product"],
      fallback: plain,
    },
    target,
  );
}

function float(params: TernaryGemmParams, target: Target): KernelDefinition {
  const values = {
    ...GEMM_TILE,
    epilogue: gemmEpilogue(params),
    k: params.k,
    kGroups: kGroups(params.k),
    nPad: paddedColumns(params.n),
  };
  const direct = defineWgsl(
    {
      ...shared(params),
      template: "ternary-gemm/float-direct.wgsl.hbs",
      values: {
        ...values,
        ...unrolling(params),
        overhang: params.k % GROUP !== 0,
        ragged: params.k % 4 !== 0,
      },
      workgroupBytes: 0,
    },
    target,
  );
  return defineWgsl(
    {
      ...shared(params),
      template: "ternary-gemm/float-tiled.wgsl.hbs",
      values,
      workgroupBytes: tileRows(GEMM_TILE) * 5 * 16,
      features: [HARDWARE],
      fallback: direct,
    },
    target,
  );
}
