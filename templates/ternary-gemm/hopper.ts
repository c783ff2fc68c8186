import { paddedK } from "../../ir/families/contract/arguments.js";
import type { TernaryGemmParams, TernaryHeads } from "../../ir/families/ternary-gemm.js";
import type { CudaKernel } from "../cuda/define.js";
import { epilogueValues } from "./epilogue.js";

/** A block's channels and tokens, its threads: two consumer warpgroups and a producer. */
const CHANNELS = 256;
const TOKENS = 128;
const THREADS = 384;

/** What a block of sm_90a may have, less what the launch itself takes. */
const SHARED_BYTES = 227 * 1024;
const MAX_STAGES = 6;

/** 4 panels of 64 channels by 128 k in 2-bit codes. */
const WEIGHT_BYTES = (CHANNELS * 128) / 4;
/** For each consumer: 64 tokens by 128 channels in padded rows, and 4 words for each of 128 channels and tokens. */
const STAGING_BYTES = 2 * 34_816;
const FACTOR_BYTES = 2 * 128 * 16;

/** Kernels for sm_90a alone: wgmma, fed by the bulk copy engine. None where a layer is not for them. */
export function hopperTernaryGemm(params: TernaryGemmParams): readonly CudaKernel[] {
  const { n, k, activations, heads } = params;
  if (activations === "f32" || (heads !== undefined && !suits(heads, n))) return [];
  const integer = activations === "i8";
  const elementBytes = integer ? 1 : 2;
  const stageBytes = TOKENS * 128 * elementBytes + WEIGHT_BYTES;
  const fixedBytes = STAGING_BYTES + FACTOR_BYTES;
  // A stage has two barriers of 8 bytes.
  const stages = Math.min(MAX_STAGES, Math.floor((SHARED_BYTES - fixedBytes) / (stageBytes + 16)));
  const sharedBytes = fixedBytes + stages * (stageBytes + 16);
  return [
    {
      requires: "sm_90a",
      template: `ternary-gemm/${integer ? "int8" : "bf16"}-hopper.cu.hbs`,
      values: {
        ...epilogueValues(params),
        ...(integer ? {} : { columns: k }),
        kBlocks: Math.ceil(k / 128),
        stages,
        sharedBytes,
      },
      threads: THREADS,
      sharedBytes,
      // The kernel cuts tiles in halves where that busies more blocks.
      tile: [CHANNELS, TOKENS / 2, 1],
      persistent: true,
      tensorMaps: [
        {
          arg: 0,
          columns: integer ? paddedK(k) : k,
          rows: "launch",
          // 128 bytes of k.
          box: [128 / elementBytes, TOKENS / 2],
          swizzle: "128B",
        },
      ],
    },
  ];
}

/** Whether a head is the channels of neighbouring lanes of one warp, four each. */
function suits({ headDim, columns }: TernaryHeads, n: number): boolean {
  const wholeHeads = n % headDim === 0 && columns % (2 * headDim) === 0;
  return wholeHeads && [4, 8, 16, 32, 64, 128].includes(headDim);
}
