import { TritcError } from "../../ir/errors.js";
import { type AttentionParams, attentionSignature } from "../../ir/families/attention.js";
import { WASM_SCRATCH_BYTES } from "../../targets/cpu/abi.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, scalarOffset, watArgs, watFloat } from "../wat/define.js";

const TILE_QUERIES = 16;
const KEY_BLOCK = 64;

export function attentionWat(params: AttentionParams): KernelDefinition {
  const { heads, headDim, scale } = params;
  const state = KEY_BLOCK * 16;
  const sums = state + (TILE_QUERIES / 4) * 48;
  if (headDim % 4 !== 0 || sums + TILE_QUERIES * headDim * 4 > WASM_SCRATCH_BYTES) {
    throw new TritcError({
      code: "TRITC_E_KERNEL",
      message: "the attention kernel does not take heads of this size",
      place: "attention",
      expected: "a multiple of 4 channels, at most 3072",
      found: `${headDim} channels`,
      remedy: "compile for another target",
    });
  }
  const signature = attentionSignature(params);
  return defineWat("attention", params, signature, {
    template: "attention/attention.wat.hbs",
    values: {
      args: watArgs(signature),
      keys: scalarOffset(signature),
      heads,
      headDim,
      scale: watFloat(Math.fround(scale)),
      tileQ: TILE_QUERIES,
      keyBlock: KEY_BLOCK,
      state,
      sums,
      chunks: Math.floor(headDim / 8),
    },
    tile: [1, TILE_QUERIES, 1],
  });
}
