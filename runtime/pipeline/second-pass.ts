import { TritcError } from "../../ir/errors.js";
import { familyOf, guidesByTwoPasses, type ModelDescription } from "../../ir/models/index.js";

/** What a caller says of guidance. */
export interface GuidanceRequest {
  /** The scale, the model's own where the caller says none; null for a model that is sampled without. */
  readonly guidance: number | null;
  readonly trueCfgScale?: number | undefined;
  readonly negativePrompt?: string | undefined;
}

/** The second pass of every evaluation. */
export interface SecondPass {
  readonly prompt: string;
  readonly scale: number;
}

/**
 * The pass that a picture is guided away from; undefined for one pass. A model without an input for the scale is guided by
 * `guidance`, one of FLUX.1, which has learned what that does, also by `trueCfgScale`. Scales up to 1 guide nothing, as in
 * Diffusers' pipelines. Throws TRITC_E_GUIDANCE.
 */
export function secondPass(model: ModelDescription, request: GuidanceRequest): SecondPass | undefined {
  const { guidance, trueCfgScale, negativePrompt } = request;
  if (trueCfgScale === undefined) {
    if (!guidesByTwoPasses(model, guidance) || guidance === null || guidance <= 1) return undefined;
    return { prompt: negativePrompt ?? "", scale: guidance };
  }
  if (!familyOf(model).sampling.trueGuidance) {
    const byTwoPasses = guidesByTwoPasses(model, guidance);
    throw new TritcError({
      code: "TRITC_E_GUIDANCE",
      message: "this model takes no scale of true guidance",
      place: `--true-cfg-scale ${trueCfgScale}`,
      expected: "a FLUX.1",
      found: familyOf(model).title,
      remedy: byTwoPasses ? "give the scale as --guidance" : "leave --true-cfg-scale out",
      exitCode: 2,
    });
  }
  if (trueCfgScale <= 1) return undefined;
  if (negativePrompt !== undefined) return { prompt: negativePrompt, scale: trueCfgScale };
  throw new TritcError({
    code: "TRITC_E_GUIDANCE",
    message: "true guidance leads away from a negative prompt, and there is none",
    place: `--true-cfg-scale ${trueCfgScale}`,
    expected: "--negative-prompt",
    remedy: 'give --negative-prompt; "" is nothing',
    exitCode: 2,
  });
}
