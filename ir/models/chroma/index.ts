import type { ModelFamily } from "../family.js";
import { FLUX_INPUTS } from "../flux/inputs.js";
import { flux1Latents } from "../flux1/latents.js";
import { flux1Values } from "../flux1/values.js";
import { type ChromaDescription, chromaDescription } from "./description.js";
import { chromaSampling } from "./sampling.js";

/** Chroma: FLUX.1's blocks with modulations that one network makes of the timestep, and text of T5 alone. */
export const chroma: ModelFamily<ChromaDescription, keyof typeof FLUX_INPUTS> = {
  title: "Chroma",
  inputs: FLUX_INPUTS,
  description: chromaDescription,
  sampling: chromaSampling,
  latents: flux1Latents,
  pipeline: {
    owns: (name) => /Chroma/i.test(name),
    example: "ChromaPipeline",
    text: "kept-states",
  },
  values: flux1Values,
};
