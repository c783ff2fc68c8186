import { type ConfigForm, commonSettings, type FluxConfig, readSettings } from "../flux/config.js";
import { EPSILON, ROPE_AXES, ROPE_THETA } from "./sizes.js";

/** Diffusers' defaults of blocks and ends. */
export const BLOCK_DEFAULTS = {
  patch_size: 1,
  in_channels: 64,
  out_channels: null,
  num_layers: 19,
  num_single_layers: 38,
  attention_head_dim: 128,
  num_attention_heads: 24,
  joint_attention_dim: 4096,
  axes_dims_rope: ROPE_AXES,
};

/** Diffusers' architecture with its defaults. */
export const FLUX1_CONFIG: ConfigForm = {
  className: "FluxTransformer2DModel",
  defaults: { ...BLOCK_DEFAULTS, pooled_projection_dim: 768, guidance_embeds: false },
};

/** Reads and checks a `config.json`. Throws TRITC_E_CHECKPOINT. */
export function readConfig(file: string): FluxConfig {
  const fields = readSettings(FLUX1_CONFIG, file);
  return {
    ...commonSettings(fields),
    pooledDim: fields.count("pooled_projection_dim", 1),
    ropeTheta: ROPE_THETA,
    epsilon: EPSILON,
  };
}
