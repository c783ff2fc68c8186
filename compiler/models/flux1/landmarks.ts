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
  time: "time_text_embed.timestep_embedder.linear_1.weight",
  guidance: "time_text_embed.guidance_embedder.linear_1.weight",
  pooled: "time_text_embed.text_embedder.linear_1.weight",
  doubleMlp: "transformer_blocks.0.ff.net.0.proj.weight",
  singleMlp: ["single_transformer_blocks.0.proj_mlp.weight", 0],
  mlpRows: 1,
};

const ORIGINAL: Landmarks = {
  ...ORIGINAL_LANDMARKS,
  names: originalNames,
  pooled: "vector_in.in_layer.weight",
  mlpRows: 1,
};

export const FLUX1_SPELLINGS: Spellings = { diffusers: DIFFUSERS, original: ORIGINAL, title: "FLUX.1" };
