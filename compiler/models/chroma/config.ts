import { type ConfigForm, commonSettings, type FluxConfig, readSettings } from "../flux/config.js";
import { EPSILON, ROPE_AXES, ROPE_THETA } from "../flux1/sizes.js";

/** Diffusers' architecture with its defaults. */
export const CHROMA_CONFIG: ConfigForm = {
  className: "ChromaTransformer2DModel",
  defaults: {
    patch_size: 1,
    in_channels: 64,
    out_channels: null,
    num_layers: 19,
    num_single_layers: 38,
    attention_head_dim: 128,
    num_attention_heads: 24,
    joint_attention_dim: 4096,
    axes_dims_rope: ROPE_AXES,
    approximator_num_channels: 64,
    approximator_hidden_dim: 5120,
    approximator_layers: 5,
  },
};

/** Reads and checks a `config.json`; sizes of the approximator are its tensors'. Throws TRITC_E_CHECKPOINT. */
export function readConfig(file: string): FluxConfig {
  const fields = readSettings(CHROMA_CONFIG, file);
  return { ...commonSettings(fields), pooledDim: null, ropeTheta: ROPE_THETA, epsilon: EPSILON };
}
