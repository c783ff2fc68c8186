import type { Landmarks, Spellings } from "../flux/landmarks.js";
import { diffusersNames, originalNames } from "./modules.js";

const DIFFUSERS: Landmarks = {
  names: diffusersNames,
  doubleBlocks: "transformer_blocks",
  singleBlocks: "single_transformer_blocks",
  latents: "x_embedder.weight",
  context: "context_embedder.weight",
  time: "time_text_embed.timestep_embedder.linear_1.weight",
  guidance: "time_text_embed.guidance_embedder.linear_1.weight",
  pooled: "time_text_embed.text_embedder.linear_1.weight",
  output: "proj_out.weight",
  headNorms: ["transformer_blocks.0.attn.norm_q.weight", "single_transformer_blocks.0.attn.norm_q.weight"],
  doubleMlp: "transformer_blocks.0.ff.net.0.proj.weight",
  singleMlp: ["single_transformer_blocks.0.proj_mlp.weight", 0],
  mlpRows: 1,
};

const ORIGINAL: Landmarks = {
  names: originalNames,
  doubleBlocks: "double_blocks",
  singleBlocks: "single_blocks",
  latents: "img_in.weight",
  context: "txt_in.weight",
  time: "time_in.in_layer.weight",
  guidance: "guidance_in.in_layer.weight",
  pooled: "vector_in.in_layer.weight",
  output: "final_layer.linear.weight",
  headNorms: ["double_blocks.0.img_attn.norm.query_norm.scale", "single_blocks.0.norm.query_norm.scale"],
  doubleMlp: "double_blocks.0.img_mlp.0.weight",
  singleMlp: ["single_blocks.0.linear1.weight", 3],
  mlpRows: 1,
};

export const FLUX1_SPELLINGS: Spellings = { diffusers: DIFFUSERS, original: ORIGINAL, title: "FLUX.1" };
