import type { Dim } from "../dim.js";
import type { Decoder } from "../format/decode.js";
import type { Condition } from "../sampling/sampling.js";

/** What is true of an input in every model of a family. */
export interface ModelInput {
  /** The symbol of the tokens that its rows are; null for one vector or number a sample. */
  readonly tokens: Dim | null;
  /**
   * What it changes with: the prompt; the schedule, which says it for every evaluation beforehand; or the evaluations,
   * each from the result of the one before.
   */
  readonly varies: "prompt" | "schedule" | "evaluation";
  /** Positions of tokens, which the samples of a batch share where there is no axis for them. */
  readonly positions: boolean;
}

/** How models of a family are sampled where nobody says otherwise. `D` describes a model. */
export interface SamplingRules<D> {
  /** Latents along each side of an image token. */
  readonly packing: number;
  /** Side of the pictures that the family's pipelines draw, in latents. */
  readonly latents: number;
  readonly textTokens: number;
  /** Pixels of a latent along each side. */
  vaeScale(model: D): number;
  /** Null where the channels of the latents fit no known kind. */
  condition(model: D, vaeScale: number): Condition | null;
  stepsAndGuidance(model: D, vaeScale: number): { readonly steps: number; readonly guidance: number | null };
}

/** What runtime and compiler both know of a family of transformers. `R` are the parts that inputs play. */
export interface ModelFamily<D, R extends string> {
  readonly inputs: Readonly<Record<R, ModelInput>>;
  readonly description: Decoder<D>;
  readonly sampling: SamplingRules<D>;
}
