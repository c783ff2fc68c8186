import { boolean, type Decoder, index, nullable, number, object, oneOf, optional } from "../format/decode.js";
import {
  type SchedulerConfig,
  type SigmaSpacing,
  schedulerProblem,
  type TimeShift,
} from "./scheduler-config.js";

/**
 * What a model is given beside noise and text. As further channels of its latents, control: a picture (Canny, Depth);
 * fill: a picture with a hole, and the mask. As further tokens, reference: pictures to draw after, if any (Kontext, FLUX.2).
 */
export type Condition = "none" | "control" | "fill" | "reference";

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
  /** Image tokens of pictures to draw after that memory was planned for, besides those of the picture itself. */
  readonly referenceTokens: number;
  /** Whether such pictures are inputs of their own, whose keys and values are computed once per prompt; false if absent. */
  readonly cachesReferences?: boolean | undefined;
  /** Null for a model that was compiled without its pipeline. */
  readonly scheduler: SchedulerConfig | null;
}

export const sampling: Decoder<Sampling> = object<Sampling>({
  pixelsPerToken: index,
  textLength: index,
  steps: index,
  guidance: nullable(number),
  condition: nullable(oneOf<Condition>("none", "control", "fill", "reference")),
  referenceTokens: index,
  cachesReferences: optional(boolean),
  scheduler: nullable(
    object<SchedulerConfig>({
      numTrainTimesteps: number,
      shift: number,
      useDynamicShifting: boolean,
      baseShift: number,
      maxShift: number,
      baseImageSeqLen: number,
      maxImageSeqLen: number,
      timeShiftType: optional(oneOf<TimeShift>("exponential", "linear")),
      shiftTerminal: optional(number),
      spacing: optional(oneOf<SigmaSpacing>("karras", "exponential")),
    }),
  ),
});

/** What is wrong with members that are all of the right kind, or undefined. */
export function samplingProblem(found: Sampling): string | undefined {
  const { pixelsPerToken, textLength, steps, scheduler } = found;
  if (Math.min(pixelsPerToken, textLength, steps) < 1) return "a size of the sampler is 0";
  return scheduler === null ? undefined : schedulerProblem(scheduler);
}
