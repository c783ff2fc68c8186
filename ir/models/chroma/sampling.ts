import type { SamplingRules } from "../family.js";
import type { ChromaDescription } from "./description.js";

/** How the pipelines of Chroma sample: by two passes a step. */
export const chromaSampling: SamplingRules<ChromaDescription> = {
  packing: 2,
  latents: 128,
  textTokens: 512,
  vaeScale: () => 8,
  condition: ({ inChannels, outChannels }) => (inChannels === outChannels ? "none" : null),
  strength: 0.9,
  trueGuidance: false,
  stepsAndGuidance: () => ({ steps: 35, guidance: 5 }),
};
