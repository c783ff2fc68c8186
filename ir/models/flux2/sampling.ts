import type { SamplingRules } from "../family.js";
import type { Flux2Description } from "./description.js";

/** How the pipelines of FLUX.2 sample: dev with its guidance embedding; klein, distilled to four steps without any. */
export const flux2Sampling: SamplingRules<Flux2Description> = {
  packing: 2,
  latents: 128,
  textTokens: 512,
  vaeScale: () => 8,
  condition: ({ inChannels, outChannels }) => (inChannels === outChannels ? "none" : null),
  stepsAndGuidance: ({ guidance }) => (guidance ? { steps: 50, guidance: 4 } : { steps: 4, guidance: null }),
};
