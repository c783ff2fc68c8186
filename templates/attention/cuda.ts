import { type AttentionParams, attention } from "../../ir/families/attention.js";
import { cudaConstant } from "../elementwise/cuda-expression.js";
import { kernelTemplates } from "../kernel-templates.js";
import { hopperCounts, int8Counts, mmaCounts } from "./cuda-counts.js";
import { lossValues, termValues } from "./terms.js";

const mma = { variant: "mma" } as const;

export const attentionCuda = kernelTemplates(attention.forms.cuda, {
  configs: ({ params: { headDim } }) => [
    { variant: "hopper", groups: 2, keys: 128, stages: 2 },
    // The warpgroup kernel multiplies bf16 faster than these int8.
    { variant: "int8", warps: 4, rowTiles: 2, keys: 32 },
    ...mmaConfigs(headDim),
    { variant: "simt", chunk: Math.min(headDim, 128), rowBlock: rowBlock(headDim), keyBlock: 2 },
  ],
  values: {
    hopper: (params, { groups, keys, stages }) => ({
      heads: params.heads,
      groups,
      keys,
      stages,
      ...products(params),
    }),
    int8: (params, { rowTiles, keys }) => ({
      headDim: params.headDim,
      rowTiles,
      keys,
      ...products(params),
      loss: cudaConstant((params.maskLoss ?? 0) * Math.LOG2E, "f32"),
    }),
    mma: (params, { from, rowTiles, keys }) => ({
      headDim: params.headDim,
      rowTiles,
      keys,
      arithmetic: from === "sm_75" ? "f16" : "bf16",
      ...products(params),
    }),
    simt: (params, { chunk, rowBlock, keyBlock }) => ({
      headDim: params.headDim,
      chunk,
      rowBlock,
      keyBlock,
      scale: cudaConstant(params.scale, "f32"),
      ...termValues(params),
      loss: cudaConstant(params.maskLoss ?? 0, "f32"),
    }),
  },
  cost: { hopper: hopperCounts, int8: int8Counts, mma: mmaCounts },
});

/** The scale of products of queries and keys, and what they lose. */
function products(params: AttentionParams) {
  const { scale, maskLoss = 0 } = params;
  return {
    ...lossValues(params),
    scale: cudaConstant(scale, "f32"),
    loss: cudaConstant(maskLoss / scale, "f32"),
  };
}

/** Matrix instructions of warps, the most demanding kernel first. */
function mmaConfigs(headDim: number) {
  if (headDim > 128) return [{ ...mma, from: "sm_80", warps: 4, rowTiles: 1, keys: 32 }] as const;
  // With 32 keys two blocks fit into the 99 KB of shared memory that sm_86, sm_89 and sm_120 have.
  const narrow = { ...mma, from: "sm_86", warps: 4, rowTiles: 2, keys: 32 } as const;
  const turing = { ...mma, from: "sm_75", warps: 8, rowTiles: 1, keys: 64 } as const;
  // Padded rows take more registers for addresses.
  if (headDim > 96 && headDim % 64 !== 0) return [{ ...narrow, from: "sm_80" }, turing] as const;
  return [narrow, { ...mma, from: "sm_80", warps: 4, rowTiles: 2, keys: 64 }, turing] as const;
}

/** Rows of a thread, whose output channels stay in registers. */
function rowBlock(headDim: number): 1 | 2 | 4 {
  if (headDim <= 128) return 4;
  return headDim <= 256 ? 2 : 1;
}
