import type { ModelFamily } from "../family.js";
import { type Flux2Description, flux2Description } from "./description.js";
import { FLUX2_INPUTS, type Flux2Input } from "./inputs.js";
import { flux2Latents } from "./latents.js";
import { flux2Sampling } from "./sampling.js";
import { flux2Values } from "./values.js";

/** FLUX.2: dev, and klein in all sizes. */
export const flux2: ModelFamily<Flux2Description, Flux2Input> = {
  title: "FLUX.2",
  inputs: FLUX2_INPUTS,
  description: flux2Description,
  sampling: flux2Sampling,
  latents: flux2Latents,
  pipeline: {
    owns: (name) => /Flux2/i.test(name),
    example: "Flux2KleinPipeline",
    text: "chat-states",
  },
  values: flux2Values,
};
