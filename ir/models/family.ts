import type { Dim } from "../dim.js";
import type { Decoder } from "../format/decode.js";
import type { Condition } from "../sampling/sampling.js";
import type { ReferenceRules, TokenGrid } from "./references.js";

/** What is true of an input in every model of a family. */
export interface ModelInput {
  /** The symbol of the tokens that its rows are; null for one vector or number a sample. */
  readonly tokens: Dim | null;
  /**
   * What it changes with: the prompt; the schedule, which says it for every evaluation beforehand; or the evaluations,
   * each from the result of the one before.
   */
  readonly varies: "prompt" | "schedule" | "evaluation";
  /** Whether it is of the text, so that both passes of guidance have their own. */
  readonly text: boolean;
  /** Positions of tokens, which the samples of a batch share where there is no axis for them. */
  readonly positions: boolean;
}

/** Sizes of a picture, its latents and its image tokens. */
export interface LatentGeometry {
  /** Picture height and width in pixels. */
  readonly height: number;
  readonly width: number;
  /** Latent channels of the VAE (16). */
  readonly channels: number;
  /** Latent height and width: pixels / vaeScale. */
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** Rows and columns of image tokens: latent size / 2. */
  readonly rows: number;
  readonly columns: number;
  /** rows * columns. */
  readonly imageTokens: number;
  /** Channels of a packed token: channels * 4. */
  readonly packedChannels: number;
}

/** How latents lie in tokens. */
export interface LatentLayout {
  /** The sizes that follow from a picture's. Throws TRITC_E_RESOLUTION where no grid of tokens fits. */
  geometry(height: number, width: number, channels?: number, vaeScale?: number): LatentGeometry;
  /** [channels, latentHeight, latentWidth] to [imageTokens, packedChannels]. */
  pack(latents: Float32Array, geometry: LatentGeometry): Float32Array;
  /** [imageTokens, packedChannels] to [channels, latentHeight, latentWidth]. */
  unpack(packed: Float32Array, geometry: LatentGeometry): Float32Array;
}

/** What a picture is sampled from, besides noise levels. `D` describes the model. */
export interface SampleInputs<D> {
  readonly model: D;
  readonly geometry: LatentGeometry;
  /** Pictures that are drawn after, whose tokens follow those of the picture; none if absent. */
  readonly references?: readonly TokenGrid[] | undefined;
  /** Those that are inputs of their own, packed one after the other; none if absent. */
  readonly apart?: { readonly latents: Float32Array; readonly grids: readonly TokenGrid[] } | undefined;
  /** [imageTokens + tokens of references, channels] what the model reads: the sample's channels, then the condition's. */
  readonly latents: Float32Array;
  /** [contextTokens, width] */
  readonly context: Float32Array;
  readonly contextTokens: number;
  /** Of these the first that a model with a mask of text is shown; all if absent. */
  readonly shownTokens?: number | undefined;
  readonly pooled: Float32Array;
  readonly guidance: number;
  /** The schedule's timestep of each evaluation of the model. */
  readonly timesteps: Float32Array;
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
  /**
   * Null where the channels of the latents fit no known kind.
   * @param pipeline the class that the pipeline's files name; null where they name none
   */
  condition(model: D, vaeScale: number, pipeline?: string | null): Condition | null;
  /** How much of a picture is drawn anew where it is begun with; absent where the pipelines begin with none. */
  readonly strength?: number;
  /** How pictures to draw after go in, where the condition is `reference`. */
  readonly references?: ReferenceRules;
  /** Whether the pipelines also guide by a second pass with a negative prompt a model that was distilled from guidance. */
  readonly trueGuidance: boolean;
  /** @param distilled what the pipeline's files say; null where they do not */
  stepsAndGuidance(
    model: D,
    vaeScale: number,
    distilled: boolean | null,
    pipeline?: string | null,
  ): { readonly steps: number; readonly guidance: number | null };
  /** The logarithm of the schedule's dynamic shift, where it does not follow from the scheduler's configuration. */
  dynamicShift?(imageTokens: number, steps: number): number;
}

/** The pipelines that models of a family are drawn with. */
export interface PipelineForm {
  /** Whether the class that `model_index.json` names is one of theirs. */
  owns(className: string): boolean;
  /** One of these classes, for messages. */
  readonly example: string;
  /**
   * What the model reads of a prompt: the last states of one text encoder and a summary by another, some states of a
   * chat model, or the last states of one text encoder, with a mask of padding behind the first such token.
   */
  readonly text: "states-and-summary" | "chat-states" | "masked-states";
}

/** The networks that make of a prompt what a model reads, by the folders of a pipeline that they lie in. */
export const TEXT_NETWORKS = {
  "states-and-summary": ["text_encoder", "text_encoder_2"],
  "chat-states": ["text_encoder"],
  "masked-states": ["text_encoder"],
} as const satisfies Readonly<Record<PipelineForm["text"], readonly string[]>>;

/** What runtime and compiler both know of a family of transformers. `R` are the parts that inputs play. */
export interface ModelFamily<D, R extends string> {
  /** Its name for people. */
  readonly title: string;
  readonly inputs: Readonly<Record<R, ModelInput>>;
  readonly description: Decoder<D>;
  readonly sampling: SamplingRules<D>;
  readonly latents: LatentLayout;
  readonly pipeline: PipelineForm;
  /** What each input is given for a picture. */
  values(sample: SampleInputs<D>): Readonly<Record<R, Float32Array>>;
}
