import type { SampleInputs } from "../family.js";
import type { FluxDescription } from "../flux/description.js";
import { flux1Values } from "../flux1/values.js";
import type { ChromaInput } from "./inputs.js";

/** What each input of a Chroma transformer is given for a picture: FLUX.1's, and which tokens of the text are shown. */
export function chromaValues(
  sample: SampleInputs<FluxDescription>,
): Readonly<Record<ChromaInput, Float32Array>> {
  const { contextTokens, shownTokens = contextTokens, latents, model } = sample;
  const mask = new Float32Array(contextTokens + latents.length / model.inChannels).fill(1);
  mask.fill(0, shownTokens, contextTokens);
  return { ...flux1Values(sample), "text-mask": mask.slice(0, contextTokens), "token-mask": mask };
}
