import type { ModelFamily } from "../family.js";
import { flux1Latents } from "../flux1/latents.js";
import { type ChromaDescription, chromaDescription } from "./description.js";
import { CHROMA_INPUTS, type ChromaInput } from "./inputs.js";
import { chromaSampling } from "./sampling.js";
import { chromaValues } from "./values.js";

/** Chroma: FLUX.1's blocks with modulations that one network makes of the timestep, and text of T5 alone. */
export const chroma: ModelFamily<ChromaDescription, ChromaInput> = {
  title: "Chroma",
  inputs: CHROMA_INPUTS,
  description: chromaDescription,
  sampling: chromaSampling,
  latents: flux1Latents,
  pipeline: {
    owns: (name) => /Chroma/i.test(name),
    example: "ChromaPipeline",
    text: "masked-states",
  },
  values: chromaValues,
};
