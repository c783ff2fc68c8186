import type { AdapterSpelling } from "../flux/adapter-names.js";
import { diffusersNames, originalNames } from "./modules.js";

/** What adapters call the modules of FLUX.2. */
export const FLUX2_ADAPTERS: AdapterSpelling = {
  names: [diffusersNames, originalNames],
  joined: [
    ["transformer_blocks", "attn.to_qkv", ["img.q", "img.k", "img.v"]],
    ["transformer_blocks", "attn.to_added_qkv", ["txt.q", "txt.k", "txt.v"]],
    ["transformer_blocks", "attn.to_out", ["img.out"]],
  ],
};
