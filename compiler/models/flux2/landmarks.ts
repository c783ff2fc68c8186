import {
  DIFFUSERS_LANDMARKS,
  type Landmarks,
  ORIGINAL_LANDMARKS,
  type Spellings,
} from "../flux/landmarks.js";
import { diffusersNames, originalNames } from "./modules.js";

const DIFFUSERS: Landmarks = {
  ...DIFFUSERS_LANDMARKS,
  names: diffusersNames,
  time: "time_guidance_embed.timestep_embedder.linear_1.weight",
  guidance: "time_guidance_embed.guidance_embedder.linear_1.weight",
  doubleMlp: "transformer_blocks.0.ff.linear_in.weight",
  singleMlp: ["single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight", 3],
  mlpRows: 2,
};

const ORIGINAL: Landmarks = {
  ...ORIGINAL_LANDMARKS,
  names: originalNames,
  mlpRows: 2,
};

export const FLUX2_SPELLINGS: Spellings = { diffusers: DIFFUSERS, original: ORIGINAL, title: "FLUX.2" };

/** The modulation that all blocks share, which no other family has. */
export function hasSharedModulation(names: Iterable<string>): boolean {
  for (const name of names)
    if (/(^|\.)single_stream_modulation\.(lin|linear)\.weight$/.test(name)) return true;
  return false;
}
