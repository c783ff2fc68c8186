import type { Landmarks, Spellings } from "../flux/landmarks.js";
import { diffusersNames, originalNames } from "./modules.js";

const DIFFUSERS: Landmarks = {
  names: diffusersNames,
  doubleBlocks: "transformer_blocks",
  singleBlocks: "single_transformer_blocks",
  latents: "x_embedder.weight",
  context: "context_embedder.weight",
  time: "time_guidance_embed.timestep_embedder.linear_1.weight",
  guidance: "time_guidance_embed.guidance_embedder.linear_1.weight",
  output: "proj_out.weight",
  headNorms: ["transformer_blocks.0.attn.norm_q.weight", "single_transformer_blocks.0.attn.norm_q.weight"],
  doubleMlp: "transformer_blocks.0.ff.linear_in.weight",
  singleMlp: ["single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight", 3],
  mlpRows: 2,
};

const ORIGINAL: Landmarks = {
  names: originalNames,
  doubleBlocks: "double_blocks",
  singleBlocks: "single_blocks",
  latents: "img_in.weight",
  context: "txt_in.weight",
  time: "time_in.in_layer.weight",
  guidance: "guidance_in.in_layer.weight",
  output: "final_layer.linear.weight",
  headNorms: ["double_blocks.0.img_attn.norm.query_norm.scale", "single_blocks.0.norm.query_norm.scale"],
  doubleMlp: "double_blocks.0.img_mlp.0.weight",
  singleMlp: ["single_blocks.0.linear1.weight", 3],
  mlpRows: 2,
};

export const FLUX2_SPELLINGS: Spellings = { diffusers: DIFFUSERS, original: ORIGINAL, title: "FLUX.2" };

/** The modulation that all blocks share, which no other family has. */
export function hasSharedModulation(names: Iterable<string>): boolean {
  for (const name of names)
    if (/(^|\.)single_stream_modulation\.(lin|linear)\.weight$/.test(name)) return true;
  return false;
}
