import { diffusersSpelling, type Leaves, type LinearNames, originalSpelling } from "../flux/modules.js";
import { FLUX1_DIFFUSERS, FLUX1_ORIGINAL } from "../flux1/modules.js";

/** What FLUX.1 has for each modulation, and for what its conditioning is summed of. */
const CONDITIONING = /^(?:(?:img\.|txt\.)?modulation|norm_out\..*|(?:time|guidance|vector)_in\..*)$/;
const APPROXIMATOR = "distilled_guidance_layer";

const withoutConditioning = (leaves: Leaves): Leaves =>
  Object.fromEntries(Object.entries(leaves).filter(([, [role = ""]]) => !CONDITIONING.test(role)));

/** FLUX.1's names but for those, and the network in their place, whose layers an implementation calls so. */
function namesLike(flux1: LinearNames, first: string, second: string, norm: string): LinearNames {
  return {
    double: withoutConditioning(flux1.double),
    single: withoutConditioning(flux1.single),
    ends: {
      ...withoutConditioning(flux1.ends),
      [`${APPROXIMATOR}.in_proj`]: ["time_in.first"],
      [`${APPROXIMATOR}.out_proj`]: ["time_in.last"],
    },
    timeLayer: (i) => ({
      modules: [
        { name: `${APPROXIMATOR}.layers.${i}.${first}`, roles: [`time_in.${i}.0`] },
        { name: `${APPROXIMATOR}.layers.${i}.${second}`, roles: [`time_in.${i}.1`] },
      ],
      vectors: [{ name: `${APPROXIMATOR}.norms.${i}.${norm}`, role: `time_in.${i}.norm` }],
    }),
  };
}

/** Names in the files of Diffusers' ChromaTransformer2DModel. */
export const diffusersNames = diffusersSpelling(namesLike(FLUX1_DIFFUSERS, "linear_1", "linear_2", "weight"));

/** Names in the original checkpoints (`Chroma1-HD.safetensors`). */
export const originalNames = originalSpelling(namesLike(FLUX1_ORIGINAL, "in_layer", "out_layer", "scale"));
