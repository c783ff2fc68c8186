import {
  type HopperConfig,
  hopperBytes,
  hopperRegisters,
  type WarpsConfig,
  warpTile,
} from "../../ir/families/launch/ternary-cuda.js";
import { type TernaryGemmParams, ternaryGemm } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { ARCHITECTURES } from "../../targets/cuda/architectures.js";
import { hasFeature } from "../../targets/device-kind.js";
import { type Given, kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { hopperCounts, warpCounts } from "./cuda-counts.js";
import { epilogueValues } from "./epilogue.js";

/**
 * 128 x 128 outputs and 8 warps of 32 x 64. Per 32 k a warp unpacks two words and loads four matrices for 16
 * multiplications of m16n8k32: half of what shared memory can deliver in the time an A100 multiplies. 64 sums leave
 * room for the weights of the next 128 k, so that two blocks fit: one multiplies while the other waits or stores.
 */
const WARPS = { warpsC: 4, warpsT: 2, groupsC: 2, groupsT: 4, raster: 8, blocks: 2 } as const;
/** With scales of groups a thread keeps twice the sums, which two blocks have no registers for. */
const WARPS_OF_GROUPS = { ...WARPS, blocks: 1 } as const;
/** 64 tokens, where sums of several groups are there at a time: see `timesSums` of the forms. */
const WARPS_OF_SMALL_GROUPS = { ...WARPS_OF_GROUPS, groupsT: 2 } as const;
/** Three stages of two blocks are 96 of the 100 KiB that the smallest sm_80 relatives have. */
const AMPERE = { stages: 3 } as const;
/** Loads wait in registers for their stage; two blocks of two stages are the 64 KiB of sm_75. */
const TURING = { stages: 2 } as const;

const HOPPER = { consumers: 2, tokens: 128, raster: 8, blocks: 1, split: 1, multicast: 1 } as const;
const MOST_STAGES = 6;

export const ternaryGemmCuda = kernelTemplates(ternaryGemm.forms.cuda, {
  configs({ params, device }) {
    // As many stages as a block of the one architecture that has these instructions takes.
    const { fixed, stage } = hopperBytes(params, HOPPER.consumers, HOPPER.tokens);
    const room = Math.floor((ARCHITECTURES.sm_90a.sharedBytesPerBlock - fixed) / stage);
    const hopper = { ...HOPPER, stages: Math.min(MOST_STAGES, room) };
    const warps = params.group === undefined ? WARPS : WARPS_OF_GROUPS;
    const { blocks } = warps;
    const isAmpere = hasFeature(device, "sm_80");
    switch (params.activations) {
      case "i8":
        return [
          { variant: "int8-hopper", ...hopper },
          { variant: "int8-mma", ...(params.group === 32 ? WARPS_OF_SMALL_GROUPS : warps), ...AMPERE },
          // Later architectures have instructions of twice the size.
          ...(isAmpere ? [] : [{ variant: "int8-turing", ...warps, ...TURING } as const]),
          { variant: "int8-dp4a", stagedTokens: 64, blocks },
        ];
      case "bf16":
        return [
          { variant: "bf16-hopper", ...hopper },
          { variant: "bf16-mma", ...warps, ...AMPERE },
          { variant: "float", unroll: 4, blocks },
        ];
      case "f16":
      case "f32":
        return [{ variant: "float", unroll: 4, blocks }];
    }
  },
  values: {
    "int8-hopper": hopper,
    "bf16-hopper": (params, config, given) => ({ ...hopper(params, config, given), columns: params.k }),
    "int8-mma": mma,
    "int8-turing": mma,
    "bf16-mma": mma,
    "int8-dp4a": (params, { stagedTokens, blocks }, { launch: { sharedBytes } }) => ({
      ...epilogueValues(params),
      ...grouped(params),
      narrow: false,
      k: params.k,
      stagedTokens,
      blocks,
      sharedBytes,
    }),
    float: (params, { unroll, blocks }) => ({
      ...epilogueValues(params),
      ...grouped(params),
      narrow: false,
      k: params.k,
      unroll,
      blocks,
      pairs: params.activations === "bf16",
    }),
  },
  cost: {
    "int8-hopper": hopperCounts,
    "bf16-hopper": hopperCounts,
    "int8-mma": warpCounts,
    "int8-turing": warpCounts,
    "bf16-mma": warpCounts,
  },
});

/** Inputs that share a scale, and scales of a channel. */
function grouped({ k, group }: TernaryGemmParams) {
  return { group: group ?? 0, groups: groupsOf(k, group ?? null) };
}

function hopper(
  params: TernaryGemmParams,
  config: HopperConfig,
  { launch: { sharedBytes, cluster } }: Given,
): TemplateValues {
  const kBlocks = Math.ceil(params.k / 128);
  const { producer, consumer } = hopperRegisters(params, config.consumers, config.blocks);
  return {
    ...epilogueValues(params),
    ...grouped(params),
    kBlocks,
    ...config,
    cluster,
    worker: cluster === 1 ? "blockIdx.x" : "blockIdx.x / CLUSTER",
    workers: cluster === 1 ? "gridDim.x" : "gridDim.x / CLUSTER",
    finished: config.split === 1 ? "STAGED_TOKENS" : "OWN_TOKENS",
    producerRegisters: producer,
    consumerRegisters: consumer,
    sharedBytes,
  };
}

function mma(
  params: TernaryGemmParams,
  config: WarpsConfig,
  { launch: { sharedBytes, tile } }: Given,
): TemplateValues {
  // Of narrower tiles a warp finishes several rows at a time.
  const narrow = tile[0] % 128 !== 0;
  const { stagedTokens } = warpTile(config);
  return {
    ...{ ...epilogueValues(params), ...grouped(params), ...config },
    ...{ stagedTokens, narrow, sharedBytes, k: params.k },
  };
}
