import { type ConfigForm, commonSettings, type FluxConfig, readSettings } from "../flux/config.js";
import { EPSILON, ROPE_AXES, ROPE_THETA } from "./sizes.js";

/** Diffusers' architecture with its defaults. */
export const FLUX2_CONFIG: ConfigForm = {
  className: "Flux2Transformer2DModel",
  defaults: {
    patch_size: 1,
    in_channels: 128,
    out_channels: null,
    num_layers: 8,
    num_single_layers: 48,
    attention_head_dim: 128,
    num_attention_heads: 48,
    joint_attention_dim: 15360,
    timestep_guidance_channels: 256,
    mlp_ratio: 3,
    axes_dims_rope: ROPE_AXES,
    rope_theta: ROPE_THETA,
    eps: EPSILON,
    guidance_embeds: true,
  },
};

/** Reads and checks a `config.json`; widths of the MLPs and of the sinusoids are their tensors'. Throws TRITC_E_CHECKPOINT. */
export function readConfig(file: string): FluxConfig {
  const fields = readSettings(FLUX2_CONFIG, file);
  return {
    ...commonSettings(fields),
    pooledDim: null,
    ropeTheta: fields.positive("rope_theta"),
    epsilon: fields.positive("eps"),
  };
}
