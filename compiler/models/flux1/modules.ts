import { type BlockCounts, type FluxNames, type Leaves, spelledNames } from "../flux/modules.js";

const DIFFUSERS_DOUBLE: Leaves = {
  "norm1.linear": ["img.modulation"],
  "norm1_context.linear": ["txt.modulation"],
  "attn.to_q": ["img.q"],
  "attn.to_k": ["img.k"],
  "attn.to_v": ["img.v"],
  "attn.add_q_proj": ["txt.q"],
  "attn.add_k_proj": ["txt.k"],
  "attn.add_v_proj": ["txt.v"],
  "attn.to_out.0": ["img.out"],
  "attn.to_add_out": ["txt.out"],
  "ff.net.0.proj": ["img.mlp.up"],
  "ff.net.2": ["img.mlp.down"],
  "ff_context.net.0.proj": ["txt.mlp.up"],
  "ff_context.net.2": ["txt.mlp.down"],
};
const DIFFUSERS_SINGLE: Leaves = {
  "norm.linear": ["modulation"],
  "attn.to_q": ["q"],
  "attn.to_k": ["k"],
  "attn.to_v": ["v"],
  proj_mlp: ["mlp.up"],
  proj_out: ["out"],
};
const DIFFUSERS_ENDS: Leaves = {
  x_embedder: ["x_embedder"],
  context_embedder: ["context_embedder"],
  "time_text_embed.timestep_embedder.linear_1": ["time_in.0"],
  "time_text_embed.timestep_embedder.linear_2": ["time_in.1"],
  "time_text_embed.guidance_embedder.linear_1": ["guidance_in.0"],
  "time_text_embed.guidance_embedder.linear_2": ["guidance_in.1"],
  "time_text_embed.text_embedder.linear_1": ["vector_in.0"],
  "time_text_embed.text_embedder.linear_2": ["vector_in.1"],
  "norm_out.linear": ["norm_out.scale", "norm_out.shift"],
  proj_out: ["proj_out"],
};

const ORIGINAL_DOUBLE: Leaves = {
  "img_mod.lin": ["img.modulation"],
  "txt_mod.lin": ["txt.modulation"],
  "img_attn.qkv": ["img.q", "img.k", "img.v"],
  "txt_attn.qkv": ["txt.q", "txt.k", "txt.v"],
  "img_attn.proj": ["img.out"],
  "txt_attn.proj": ["txt.out"],
  "img_mlp.0": ["img.mlp.up"],
  "img_mlp.2": ["img.mlp.down"],
  "txt_mlp.0": ["txt.mlp.up"],
  "txt_mlp.2": ["txt.mlp.down"],
};
const ORIGINAL_SINGLE: Leaves = {
  "modulation.lin": ["modulation"],
  linear1: ["q", "k", "v", "mlp.up"],
  linear2: ["out"],
};
const ORIGINAL_ENDS: Leaves = {
  img_in: ["x_embedder"],
  txt_in: ["context_embedder"],
  "time_in.in_layer": ["time_in.0"],
  "time_in.out_layer": ["time_in.1"],
  "guidance_in.in_layer": ["guidance_in.0"],
  "guidance_in.out_layer": ["guidance_in.1"],
  "vector_in.in_layer": ["vector_in.0"],
  "vector_in.out_layer": ["vector_in.1"],
  "final_layer.adaLN_modulation.1": ["norm_out.shift", "norm_out.scale"],
  "final_layer.linear": ["proj_out"],
};

/** Names in the files of Diffusers' FluxTransformer2DModel. */
export function diffusersNames(counts: BlockCounts): FluxNames {
  return spelledNames(counts, {
    double: ["transformer_blocks", DIFFUSERS_DOUBLE],
    single: ["single_transformer_blocks", DIFFUSERS_SINGLE],
    ends: DIFFUSERS_ENDS,
    doubleVectors: {
      "attn.norm_q.weight": "img.q.norm",
      "attn.norm_k.weight": "img.k.norm",
      "attn.norm_added_q.weight": "txt.q.norm",
      "attn.norm_added_k.weight": "txt.k.norm",
    },
    singleVectors: { "attn.norm_q.weight": "q.norm", "attn.norm_k.weight": "k.norm" },
  });
}

/** Names in the original checkpoints (`flux1-dev.safetensors`). */
export function originalNames(counts: BlockCounts): FluxNames {
  return spelledNames(counts, {
    double: ["double_blocks", ORIGINAL_DOUBLE],
    single: ["single_blocks", ORIGINAL_SINGLE],
    ends: ORIGINAL_ENDS,
    doubleVectors: {
      "img_attn.norm.query_norm.scale": "img.q.norm",
      "img_attn.norm.key_norm.scale": "img.k.norm",
      "txt_attn.norm.query_norm.scale": "txt.q.norm",
      "txt_attn.norm.key_norm.scale": "txt.k.norm",
    },
    singleVectors: { "norm.query_norm.scale": "q.norm", "norm.key_norm.scale": "k.norm" },
  });
}
