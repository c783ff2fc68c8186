import type { Condition } from "../../sampling/sampling.js";
import type { SamplingRules } from "../family.js";
import type { Flux1Description } from "./description.js";
import { kontextReferences } from "./references.js";

/** Each image token is 2x2 latents. */
const PACKING = 2;
const DEFAULT_VAE_SCALE = 8;
/** A VAE halves a picture's sides at each level. */
const VAE_SCALES = [1, 2, 4, 8, 16, 32, 64] as const;

/** How the pipelines of FLUX.1 sample: schnell; Fill, Canny and Depth; Kontext, which its pipeline alone tells from dev; dev. */
export const flux1Sampling: SamplingRules<Flux1Description> = {
  packing: PACKING,
  latents: 128,
  textTokens: 512,
  /** The factor that the channels of a mask speak of, where there is one. */
  vaeScale({ inChannels, outChannels }) {
    const scale = VAE_SCALES.find((factor) => inChannels === 2 * outChannels + maskChannels(factor));
    return scale ?? DEFAULT_VAE_SCALE;
  },
  /**
   * Behind the sample's own channels lie those of an encoded picture, as many, and for `fill` the mask's: each of its
   * pixels is a channel.
   */
  condition({ inChannels, outChannels }, vaeScale, pipeline): Condition | null {
    const extra = inChannels - outChannels;
    if (extra === 0) return isKontext(pipeline) ? "reference" : "none";
    if (extra === outChannels) return "control";
    return extra === outChannels + maskChannels(vaeScale) ? "fill" : null;
  },
  strength: 0.6,
  references: kontextReferences,
  trueGuidance: true,
  stepsAndGuidance(model, vaeScale, _, pipeline) {
    if (!model.guidance) return { steps: 4, guidance: null };
    switch (this.condition(model, vaeScale, pipeline)) {
      case "fill":
        return { steps: 50, guidance: 30 };
      case "control":
      case "reference":
        return { steps: 28, guidance: 3.5 };
      default:
        return { steps: 50, guidance: 3.5 };
    }
  },
};

function isKontext(pipeline: string | null = null): boolean {
  return pipeline !== null && /Kontext/i.test(pipeline);
}

/** Channels of a packed mask. */
function maskChannels(vaeScale: number): number {
  return (PACKING * vaeScale) ** 2;
}
