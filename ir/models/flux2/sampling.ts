import type { SamplingRules } from "../family.js";
import type { Flux2Description } from "./description.js";
import { flux2References } from "./references.js";

/**
 * How the pipelines of FLUX.2 sample: dev by its guidance embedding; klein, distilled, in four steps without guidance; klein's
 * base, which only its pipeline tells from it, by two passes a step.
 */
export const flux2Sampling: SamplingRules<Flux2Description> = {
  packing: 2,
  latents: 128,
  textTokens: 512,
  vaeScale: () => 8,
  condition: ({ inChannels, outChannels }) => (inChannels === outChannels ? "reference" : null),
  references: flux2References,
  trueGuidance: false,
  stepsAndGuidance: ({ guidance }, _, distilled) =>
    guidance || distilled === false ? { steps: 50, guidance: 4 } : { steps: 4, guidance: null },
  dynamicShift: empiricalShift,
};

/** Lines through the shifts that were best at 10 and at 200 steps, as `compute_empirical_mu` of the pipelines has them. */
function empiricalShift(imageTokens: number, steps: number): number {
  const at10 = 8.73809524e-5 * imageTokens + 1.89833333;
  const at200 = 0.00016927 * imageTokens + 0.45666666;
  if (imageTokens > 4300) return at200;
  const slope = (at200 - at10) / 190;
  return slope * steps + at200 - 200 * slope;
}
