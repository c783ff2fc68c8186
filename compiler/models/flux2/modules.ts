import { diffusersSpelling, type LinearNames, originalSpelling } from "../flux/modules.js";

const DIFFUSERS: LinearNames = {
  double: {
    "attn.to_q": ["img.q"],
    "attn.to_k": ["img.k"],
    "attn.to_v": ["img.v"],
    "attn.add_q_proj": ["txt.q"],
    "attn.add_k_proj": ["txt.k"],
    "attn.add_v_proj": ["txt.v"],
    "attn.to_out.0": ["img.out"],
    "attn.to_add_out": ["txt.out"],
    "ff.linear_in": ["img.mlp.up"],
    "ff.linear_out": ["img.mlp.down"],
    "ff_context.linear_in": ["txt.mlp.up"],
    "ff_context.linear_out": ["txt.mlp.down"],
  },
  single: {
    "attn.to_qkv_mlp_proj": ["linear1"],
    "attn.to_out": ["out"],
  },
  ends: {
    x_embedder: ["x_embedder"],
    context_embedder: ["context_embedder"],
    "time_guidance_embed.timestep_embedder.linear_1": ["time_in.0"],
    "time_guidance_embed.timestep_embedder.linear_2": ["time_in.1"],
    "time_guidance_embed.guidance_embedder.linear_1": ["guidance_in.0"],
    "time_guidance_embed.guidance_embedder.linear_2": ["guidance_in.1"],
    "double_stream_modulation_img.linear": ["modulation.double.img"],
    "double_stream_modulation_txt.linear": ["modulation.double.txt"],
    "single_stream_modulation.linear": ["modulation.single"],
    "norm_out.linear": ["norm_out.scale", "norm_out.shift"],
    proj_out: ["proj_out"],
  },
};

const ORIGINAL: LinearNames = {
  double: {
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
    linear1: ["linear1"],
    linear2: ["out"],
  },
  ends: {
    img_in: ["x_embedder"],
    txt_in: ["context_embedder"],
    "time_in.in_layer": ["time_in.0"],
    "time_in.out_layer": ["time_in.1"],
    "guidance_in.in_layer": ["guidance_in.0"],
    "guidance_in.out_layer": ["guidance_in.1"],
    "double_stream_modulation_img.lin": ["modulation.double.img"],
    "double_stream_modulation_txt.lin": ["modulation.double.txt"],
    "single_stream_modulation.lin": ["modulation.single"],
    "final_layer.adaLN_modulation.1": ["norm_out.shift", "norm_out.scale"],
    "final_layer.linear": ["proj_out"],
  },
};

/** Names in the files of Diffusers' Flux2Transformer2DModel. */
export const diffusersNames = diffusersSpelling(DIFFUSERS);

/** Names in the original checkpoints (`flux-2-klein-4b.safetensors`). */
export const originalNames = originalSpelling(ORIGINAL);

/** The role of the linear that gives shift, scale and gate to `double.3.img` or `single.7`: one for all blocks. */
export function modulationOf(prefix: string): string {
  return `modulation.${prefix.replace(/\.\d+/, "")}`;
}
