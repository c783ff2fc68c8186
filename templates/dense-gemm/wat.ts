import { roundUp } from "../../ir/families/contract/arguments.js";
import { type DenseGemmParams, type DenseLayout, denseGemmSignature } from "../../ir/families/dense-gemm.js";
import type { KernelDefinition } from "../family.js";
import { defineWat } from "../wat/define.js";
import { gemmValues } from "../wat/epilogue.js";

/** Channels of a weight panel. */
export const DENSE_PANEL = 8;
const UNROLL = 4;

/** Words of the device layout: f32 panels of DENSE_PANEL channels. */
export function denseWeightWordsWat({ n, k }: DenseLayout): number {
  return roundUp(n, DENSE_PANEL) * k;
}

export function denseGemmWat(params: DenseGemmParams): KernelDefinition {
  const { n, k } = params;
  const signature = denseGemmSignature(params);
  const tileN = Math.min(roundUp(n, DENSE_PANEL), 64);
  const tileM = 32;
  return defineWat("dense-gemm", params, signature, {
    template: "dense-gemm/float.wat.hbs",
    values: {
      ...gemmValues(signature, params),
      k,
      kWhole: k - (k % UNROLL),
      unroll: UNROLL,
      relaxed: false,
      tileN,
      tileM,
      tilesN: Math.ceil(n / tileN),
      blockN: DENSE_PANEL,
      vectors: DENSE_PANEL / 4,
      rowGroups: [4, 1],
    },
    tile: [tileN, tileM, 1],
  });
}
