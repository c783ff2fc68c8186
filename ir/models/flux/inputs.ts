import type { ModelInput } from "../family.js";
import { IMG_TOKENS, TXT_TOKENS } from "../tokens.js";

const ofPrompt = (tokens: ModelInput["tokens"], positions = false): ModelInput => ({
  tokens,
  varies: "prompt",
  positions,
});

/** A vector of the prompt's or of the caller's for every sample. */
export const VECTOR: ModelInput = ofPrompt(null);

/** The parts that inputs play in every transformer of double and single blocks. */
export const FLUX_INPUTS = {
  /** [B, img_tokens, in_channels] */
  latents: { tokens: IMG_TOKENS, varies: "evaluation", positions: false },
  /** [B, txt_tokens, joint_attention_dim] */
  context: ofPrompt(TXT_TOKENS),
  /** [B], sigma in (0, 1] */
  timestep: { tokens: null, varies: "schedule", positions: false },
  /** [B] */
  guidance: VECTOR,
  /** [img_tokens, axes] or [B, img_tokens, axes] */
  "img-ids": ofPrompt(IMG_TOKENS, true),
  /** [txt_tokens, axes] or [B, txt_tokens, axes] */
  "txt-ids": ofPrompt(TXT_TOKENS, true),
} as const satisfies Readonly<Record<string, ModelInput>>;

/** The part that an input plays in any of them: one of these, or a summary of the text. */
export type FluxInput = keyof typeof FLUX_INPUTS | "pooled";
