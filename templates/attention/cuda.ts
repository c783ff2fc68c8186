import { attention } from "../../ir/families/attention.js";
import { cudaConstant } from "../elementwise/cuda-expression.js";
import { kernelTemplates } from "../kernel-templates.js";
import { termValues } from "./terms.js";

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
    hopper: ({ heads, scale }, { groups, keys, stages }) => ({
      heads,
      groups,
      keys,
      stages,
      scale: cudaConstant(scale, "f32"),
    }),
    int8: ({ headDim, scale }, { rowTiles, keys }) => ({
      headDim,
      rowTiles,
      keys,
      scale: cudaConstant(scale, "f32"),
    }),
    mma: ({ headDim, scale }, { from, rowTiles, keys }) => ({
      headDim,
      rowTiles,
      keys,
      arithmetic: from === "sm_75" ? "f16" : "bf16",
      scale: cudaConstant(scale, "f32"),
    }),
    simt: (params, { chunk, rowBlock, keyBlock }) => ({
      headDim: params.headDim,
      chunk,
      rowBlock,
      keyBlock,
      scale: cudaConstant(params.scale, "f32"),
      ...termValues(params),
    }),
  },
});

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
