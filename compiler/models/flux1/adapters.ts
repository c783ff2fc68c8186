import type { AdapterSpelling } from "../flux/adapter-names.js";
import { diffusersNames, originalNames } from "./modules.js";

/** What adapters call the modules of FLUX.1. */
export const FLUX1_ADAPTERS: AdapterSpelling = {
  names: [diffusersNames, originalNames],
  joined: [
    ["transformer_blocks", "attn.to_qkv", ["img.q", "img.k", "img.v"]],
    ["transformer_blocks", "attn.to_added_qkv", ["txt.q", "txt.k", "txt.v"]],
    ["transformer_blocks", "attn.add_qkv_proj", ["txt.q", "txt.k", "txt.v"]],
    ["transformer_blocks", "attn.to_out", ["img.out"]],
    ["single_transformer_blocks", "attn.to_qkv", ["q", "k", "v"]],
    // XLabs' processors: 1 is the picture's stream, 2 the text's.
    ["double_blocks", "processor.qkv_lora1", ["img.q", "img.k", "img.v"]],
    ["double_blocks", "processor.qkv_lora2", ["txt.q", "txt.k", "txt.v"]],
    ["double_blocks", "processor.proj_lora1", ["img.out"]],
    ["double_blocks", "processor.proj_lora2", ["txt.out"]],
    ["single_blocks", "processor.qkv", ["q", "k", "v"]],
    ["single_blocks", "processor.proj", ["out"]],
  ],
};
