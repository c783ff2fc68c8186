import { roundUp } from "../../ir/families/contract/arguments.js";
import {
  type TernaryGemmParams,
  type TernaryLayout,
  ternaryGemmSignature,
} from "../../ir/families/ternary-gemm.js";
import type { Target } from "../../targets/target.js";
import { type CudaKernel, defineCuda } from "../cuda/define.js";
import type { KernelDefinition } from "../family.js";
import { epilogueValues } from "./epilogue.js";
import { hopperTernaryGemm } from "./hopper.js";
import { ampereTile, type MmaPlan, turingTile } from "./mma-tile.js";

/** Channels and k of a block of the weights' layout. */
const WEIGHT_BLOCK = { channels: 64, k: 128 } as const;

/** Kernels without matrix instructions: 256 threads of 8 x 8 sums. */
const SIMT = { threads: 256, tile: [128, 128, 1] } as const;
/** 64 tokens' sums on their way out; more than 128 k of weights and rows. */
const DP4A_SHARED_BYTES = 64 * 132 * 4;

export function ternaryGemmCuda(params: TernaryGemmParams, target: Target): KernelDefinition {
  const signature = ternaryGemmSignature(params);
  return defineCuda("ternary-gemm", params, signature, target, [
    ...hopperTernaryGemm(params),
    ...variants(params),
  ]);
}

/** u32 weights[ceil(n/64)][ceil(k/128)][4][32][4]: 16 codes in a word. */
export function ternaryWeightWordsCuda({ n, k }: TernaryLayout): number {
  return (roundUp(n, WEIGHT_BLOCK.channels) * roundUp(k, WEIGHT_BLOCK.k)) / 16;
}

function variants(params: TernaryGemmParams): readonly CudaKernel[] {
  switch (params.activations) {
    case "i8":
      return [
        mma("sm_80", "ternary-gemm/int8-mma.cu.hbs", params, ampereTile),
        mma("sm_75", "ternary-gemm/int8-turing.cu.hbs", params, turingTile),
        dp4a(params),
      ];
    case "bf16":
      return [mma("sm_80", "ternary-gemm/bf16-mma.cu.hbs", params, ampereTile), float(params)];
    case "f32":
      return [float(params)];
  }
}

function mma(
  requires: CudaKernel["requires"],
  template: string,
  params: TernaryGemmParams,
  plan: MmaPlan,
): CudaKernel {
  const { threads, channels, tokens, ...values } = plan;
  return {
    requires,
    template,
    values: { ...epilogueValues(params), ...values, k: params.k },
    threads,
    sharedBytes: plan.sharedBytes,
    tile: [channels, tokens, 1],
  };
}

function dp4a(params: TernaryGemmParams): CudaKernel {
  return {
    ...SIMT,
    requires: "sm_70",
    template: "ternary-gemm/int8-dp4a.cu.hbs",
    values: { ...epilogueValues(params), k: params.k, sharedBytes: DP4A_SHARED_BYTES },
    sharedBytes: DP4A_SHARED_BYTES,
  };
}

function float(params: TernaryGemmParams): CudaKernel {
  return {
    ...SIMT,
    requires: "sm_70",
    template: "ternary-gemm/float.cu.hbs",
    values: { ...epilogueValues(params), k: params.k, pairs: params.activations === "bf16" },
  };
}
