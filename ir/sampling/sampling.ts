import { boolean, type Decoder, index, nullable, number, object, oneOf } from "../format/decode.js";
import type { ModelDescription } from "../graph/graph.js";
import { type SchedulerConfig, schedulerProblem } from "./scheduler-config.js";

/**
 * What a model is given beside noise and text, as further channels of its latents. control: a picture (Canny, Depth).
 * fill: a picture with a hole, and the mask.
 */
export type Condition = "none" | "control" | "fill";

/** How a model is sampled where nobody says otherwise, as it was found when it was compiled. */
export interface Sampling {
  /** Pixels of an image token along each side: the VAE's factor, and two for the packing. */
  readonly pixelsPerToken: number;
  /** Tokens that the second text encoder's output is padded or cut to. */
  readonly textLength: number;
  readonly steps: number;
  /** Null for a model that takes none. */
  readonly guidance: number | null;
  /** Null where the channels of the latents fit no known kind. */
  readonly condition: Condition | null;
  /** Null for a model that was compiled without its pipeline. */
  readonly scheduler: SchedulerConfig | null;
}

/** Each image token is 2x2 latents. */
export const PACKING = 2;
export const DEFAULT_VAE_SCALE = 8;
/** A VAE halves a picture's sides at each level. */
const VAE_SCALES = [1, 2, 4, 8, 16, 32, 64] as const;

/**
 * The condition that the channels of the latents speak of. Behind the sample's own channels lie those of an encoded
 * picture, as many, and for `fill` the mask's: each of its pixels is a channel.
 */
export function conditionOf(
  { inChannels, outChannels }: Pick<ModelDescription, "inChannels" | "outChannels">,
  vaeScale: number,
): Condition | null {
  const extra = inChannels - outChannels;
  if (extra === 0) return "none";
  if (extra === outChannels) return "control";
  return extra === outChannels + maskChannels(vaeScale) ? "fill" : null;
}

/** Channels of a packed mask. */
function maskChannels(vaeScale: number): number {
  return (PACKING * vaeScale) ** 2;
}

/** The VAE's factor that the channels of a model's mask speak of; undefined where they speak of no mask. */
export function scaleOfMask({
  inChannels,
  outChannels,
}: Pick<ModelDescription, "inChannels" | "outChannels">): number | undefined {
  return VAE_SCALES.find((scale) => inChannels === 2 * outChannels + maskChannels(scale));
}

export const sampling: Decoder<Sampling> = object<Sampling>({
  pixelsPerToken: index,
  textLength: index,
  steps: index,
  guidance: nullable(number),
  condition: nullable(oneOf<Condition>("none", "control", "fill")),
  scheduler: nullable(
    object<SchedulerConfig>({
      numTrainTimesteps: number,
      shift: number,
      useDynamicShifting: boolean,
      baseShift: number,
      maxShift: number,
      baseImageSeqLen: number,
      maxImageSeqLen: number,
    }),
  ),
});

/** What is wrong with members that are all of the right kind, or undefined. */
export function samplingProblem(found: Sampling): string | undefined {
  const { pixelsPerToken, textLength, steps, scheduler } = found;
  if (Math.min(pixelsPerToken, textLength, steps) < 1) return "a size of the sampler is 0";
  return scheduler === null ? undefined : schedulerProblem(scheduler);
}
