import type { SampleInputs } from "../family.js";
import { gridIds } from "../references.js";
import type { Flux2Description } from "./description.js";
import type { Flux2Input } from "./inputs.js";
import { textIds } from "./latents.js";
import { flux2References } from "./references.js";

/** What each input of a FLUX.2 transformer is given for a picture. */
export function flux2Values(
  sample: SampleInputs<Flux2Description>,
): Readonly<Record<Flux2Input, Float32Array>> {
  const { model, geometry, references = [], latents, context, contextTokens, guidance, timesteps } = sample;
  return {
    latents,
    context,
    timestep: timesteps.map((timestep) => timestep * model.timestepScale),
    guidance: Float32Array.of(guidance * model.guidanceScale),
    "img-ids": gridIds(
      [
        { ...geometry, time: 0 },
        ...references.map((grid, i) => ({ ...grid, time: flux2References.time(i) })),
      ],
      4,
    ),
    "txt-ids": textIds(contextTokens),
  };
}
