import type { SampleInputs } from "../family.js";
import type { FluxDescription } from "../flux/description.js";
import type { Flux1Input } from "./inputs.js";
import { imageIds, textIds } from "./latents.js";

/** What each input of a FLUX.1 transformer is given for a picture. */
export function flux1Values(
  sample: SampleInputs<FluxDescription>,
): Readonly<Record<Flux1Input, Float32Array>> {
  const { model, geometry, latents, context, contextTokens, pooled, guidance, timesteps } = sample;
  return {
    latents,
    context,
    pooled,
    timestep: timesteps.map((timestep) => timestep * model.timestepScale),
    guidance: Float32Array.of(guidance * model.guidanceScale),
    "img-ids": imageIds(geometry),
    "txt-ids": textIds(contextTokens),
  };
}
