import type { ConfigOf } from "../../ir/families/launch/form.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { hopperBytes, ternaryGemm } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { ARCHITECTURES } from "../../targets/cuda/architectures.js";
import { type Given, kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { epilogueValues } from "./epilogue.js";

/**
 * 128 x 128 outputs and 8 warps of 32 x 64. Per 32 k a warp unpacks two words and loads four matrices for 16
 * multiplications of m16n8k32: half of what shared memory can deliver in the time an A100 multiplies. 64 sums leave
 * room for the weights of the next 128 k, so that two blocks fit: one multiplies while the other waits or stores.
 */
const WARPS = { warpsC: 4, warpsT: 2, groupsC: 2, groupsT: 4, blocks: 2 } as const;
/** With scales of groups a thread keeps twice the sums, which two blocks have no registers for. */
const WARPS_OF_GROUPS = { ...WARPS, blocks: 1 } as const;
/** Three stages of two blocks are 96 of the 100 KiB that the smallest sm_80 relatives have. */
const AMPERE = { stages: 3, stagedTokens: 64 } as const;
/** Loads wait in registers for their stage; two blocks of two stages are the 64 KiB of sm_75. */
const TURING = { stages: 2, stagedTokens: 32 } as const;

const HOPPER = { consumers: 2, tokens: 128 } as const;
const MOST_STAGES = 6;

export const ternaryGemmCuda = kernelTemplates(ternaryGemm.forms.cuda, {
  configs({ params }) {
    // As many stages as a block of the one architecture that has these instructions takes.
    const { fixed, stage } = hopperBytes(params, HOPPER.consumers, HOPPER.tokens);
    const room = Math.floor((ARCHITECTURES.sm_90a.sharedBytesPerBlock - fixed) / stage);
    const hopper = { ...HOPPER, stages: Math.min(MOST_STAGES, room) };
    const warps = params.group === undefined ? WARPS : WARPS_OF_GROUPS;
    switch (params.activations) {
      case "i8":
        return [
          { variant: "int8-hopper", ...hopper },
          { variant: "int8-mma", ...warps, ...AMPERE },
          { variant: "int8-turing", ...warps, ...TURING },
          { variant: "int8-dp4a", stagedTokens: 64 },
        ];
      case "bf16":
        return [
          { variant: "bf16-hopper", ...hopper },
          { variant: "bf16-mma", ...warps, ...AMPERE },
          { variant: "float" },
        ];
      case "f32":
        return [{ variant: "float" }];
    }
  },
  values: {
    "int8-hopper": hopper,
    "bf16-hopper": (params, config, given) => ({ ...hopper(params, config, given), columns: params.k }),
    "int8-mma": mma,
    "int8-turing": mma,
    "bf16-mma": mma,
    "int8-dp4a": (params, { stagedTokens }, { launch: { sharedBytes } }) => ({
      ...epilogueValues(params),
      ...grouped(params),
      k: params.k,
      stagedTokens,
      sharedBytes,
    }),
    float: (params) => ({
      ...epilogueValues(params),
      ...grouped(params),
      k: params.k,
      pairs: params.activations === "bf16",
    }),
  },
});

/** Inputs that share a scale, and scales of a channel. */
function grouped({ k, group }: TernaryGemmParams) {
  return { group: group ?? 0, groups: groupsOf(k, group ?? null) };
}

function hopper(
  params: TernaryGemmParams,
  config: { readonly consumers: number; readonly tokens: number; readonly stages: number },
  { launch: { sharedBytes } }: Given,
): TemplateValues {
  const kBlocks = Math.ceil(params.k / 128);
  return { ...epilogueValues(params), ...grouped(params), kBlocks, ...config, sharedBytes };
}

function mma(
  params: TernaryGemmParams,
  config: ConfigOf<(typeof ternaryGemm.forms.cuda)["int8-mma" | "int8-turing"]["dimensions"]>,
  { launch: { sharedBytes } }: Given,
): TemplateValues {
  return { ...epilogueValues(params), ...grouped(params), ...config, sharedBytes, k: params.k };
}
