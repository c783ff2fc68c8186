import type { Target } from "../../targets/target.js";
import { type CudaKernel, defineCuda } from "../cuda/define.js";
import { cudaType } from "../cuda/header.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { roundUp } from "../signature.js";
import { ampereTile, type MmaPlan, turingTile } from "./mma-tile.js";
import { type TernaryGemmParams, type TernaryLayout, ternaryGemmSignature } from "./params.js";

/** A block of the weights' layout: channels, k. */
export const WEIGHT_BLOCK = { channels: 64, k: 128 } as const;

export function ternaryGemmCuda(params: TernaryGemmParams, target: Target): KernelDefinition {
  return defineCuda("ternary-gemm", params, ternaryGemmSignature(params), target, variants(params));
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
      ];
    case "bf16":
      return [mma("sm_80", "ternary-gemm/bf16-mma.cu.hbs", params, ampereTile)];
    case "f32":
      return [];
  }
}

function mma(
  requires: CudaKernel["requires"],
  template: string,
  params: TernaryGemmParams,
  plan: MmaPlan,
): CudaKernel {
  const { warpsC, warpsT, groupsC, groupsT, stages, stagedTokens, sharedBytes, blocks } = plan;
  return {
    requires,
    template,
    values: {
      ...epilogueValues(params),
      k: params.k,
      warpsC,
      warpsT,
      groupsC,
      groupsT,
      stages,
      stagedTokens,
      sharedBytes,
      blocks,
    },
    threads: plan.threads,
    sharedBytes,
    tile: [plan.channels, plan.tokens, 1],
  };
}

/** What `ternary-gemm/epilogue.cu.hbs` uses. */
export function epilogueValues(params: TernaryGemmParams): TemplateValues {
  const { heads } = params;
  return {
    n: params.n,
    integer: params.activations === "i8",
    bias: params.bias,
    gated: params.gated,
    heads: heads !== undefined,
    headDim: heads?.headDim ?? 0,
    headColumns: heads?.columns ?? 0,
    epsilon: (heads?.epsilon ?? 0).toExponential(),
    activate: `activate_${params.activation.replaceAll("-", "_")}`,
    outType: cudaType(params.out ?? "f32"),
  };
}
