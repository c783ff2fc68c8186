import type { SampleInputs } from "../family.js";
import type { FluxDescription } from "../flux/description.js";
import { gridIds } from "../references.js";
import type { Flux1Input } from "./inputs.js";
import { textIds } from "./latents.js";
import { kontextReferences } from "./references.js";

/** What each input of a FLUX.1 transformer is given for a picture. */
export function flux1Values(
  sample: SampleInputs<FluxDescription>,
): Readonly<Record<Flux1Input, Float32Array>> {
  const {
    model,
    geometry,
    references = [],
    latents,
    context,
    contextTokens,
    pooled,
    guidance,
    timesteps,
  } = sample;
  return {
    latents,
    context,
    pooled,
    timestep: timesteps.map((timestep) => timestep * model.timestepScale),
    guidance: Float32Array.of(guidance * model.guidanceScale),
    "img-ids": gridIds(
      [
        { ...geometry, time: 0 },
        ...references.map((grid, i) => ({ ...grid, time: kontextReferences.time(i) })),
      ],
      3,
    ),
    "txt-ids": textIds(contextTokens),
  };
}
