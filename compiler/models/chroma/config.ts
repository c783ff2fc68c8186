import { type ConfigForm, commonSettings, type FluxConfig, readSettings } from "../flux/config.js";
import { BLOCK_DEFAULTS } from "../flux1/config.js";
import { EPSILON, ROPE_THETA } from "../flux1/sizes.js";

/** Diffusers' architecture with its defaults. */
export const CHROMA_CONFIG: ConfigForm = {
  className: "ChromaTransformer2DModel",
  defaults: {
    ...BLOCK_DEFAULTS,
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
