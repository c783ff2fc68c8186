import type { SampleInputs } from "../family.js";
import { gridIds, type TokenGrid } from "../references.js";
import type { Flux2Description } from "./description.js";
import type { Flux2Input } from "./inputs.js";
import { textIds } from "./latents.js";
import { flux2References } from "./references.js";

/** What each input of a FLUX.2 transformer is given for a picture. */
export function flux2Values(
  sample: SampleInputs<Flux2Description>,
): Readonly<Record<Flux2Input, Float32Array>> {
  const {
    model,
    geometry,
    references = [],
    apart,
    latents,
    context,
    contextTokens,
    guidance,
    timesteps,
  } = sample;
  const timed = (grids: readonly TokenGrid[]) =>
    grids.map((grid, i) => ({ ...grid, time: flux2References.time(i) }));
  return {
    latents,
    context,
    timestep: timesteps.map((timestep) => timestep * model.timestepScale),
    guidance: Float32Array.of(guidance * model.guidanceScale),
    "img-ids": gridIds([{ ...geometry, time: 0 }, ...timed(references)], 4),
    "reference-latents": apart?.latents ?? new Float32Array(),
    "reference-ids": gridIds(timed(apart?.grids ?? []), 4),
    "txt-ids": textIds(contextTokens),
  };
}
