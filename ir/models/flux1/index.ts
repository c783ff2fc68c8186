import type { ModelFamily } from "../family.js";
import { type Flux1Description, flux1Description } from "./description.js";
import { FLUX1_INPUTS, type Flux1Input } from "./inputs.js";
import { flux1Latents } from "./latents.js";
import { flux1Sampling } from "./sampling.js";
import { flux1Values } from "./values.js";

/** FLUX.1: dev, schnell, Krea, Kontext, Fill, Canny, Depth. */
export const flux1: ModelFamily<Flux1Description, Flux1Input> = {
  title: "FLUX.1",
  inputs: FLUX1_INPUTS,
  description: flux1Description,
  sampling: flux1Sampling,
  latents: flux1Latents,
  pipeline: {
    owns: (name) => /Flux/i.test(name) && !/Flux2/i.test(name),
    example: "FluxPipeline",
    text: "states-and-summary",
  },
  values: flux1Values,
};
