import { diffusersSpelling, type LinearNames, originalSpelling } from "../flux/modules.js";

export const FLUX1_DIFFUSERS: LinearNames = {
  double: {
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
  },
  single: {
    "norm.linear": ["modulation"],
    "attn.to_q": ["q"],
    "attn.to_k": ["k"],
    "attn.to_v": ["v"],
    proj_mlp: ["mlp.up"],
    proj_out: ["out"],
  },
  ends: {
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
  },
};

export const FLUX1_ORIGINAL: LinearNames = {
  double: {
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
  },
  single: {
    "modulation.lin": ["modulation"],
    linear1: ["q", "k", "v", "mlp.up"],
    linear2: ["out"],
  },
  ends: {
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
  },
};

/** Names in the files of Diffusers' FluxTransformer2DModel. */
export const diffusersNames = diffusersSpelling(FLUX1_DIFFUSERS);

/** Names in the original checkpoints (`flux1-dev.safetensors`). */
export const originalNames = originalSpelling(FLUX1_ORIGINAL);
