import type { ModelInput } from "../family.js";
import { IMG_TOKENS, TXT_TOKENS } from "../tokens.js";

const ofPrompt = (tokens: ModelInput["tokens"], positions = false): ModelInput => ({
  tokens,
  varies: "prompt",
  positions,
});

/** The part each graph input plays in a FLUX.1 transformer. */
export const FLUX1_INPUTS = {
  /** [B, img_tokens, in_channels] */
  latents: { tokens: IMG_TOKENS, varies: "evaluation", positions: false },
  /** [B, txt_tokens, joint_attention_dim] */
  context: ofPrompt(TXT_TOKENS),
  /** [B, pooled_dim] */
  pooled: ofPrompt(null),
  /** [B], sigma in (0, 1] */
  timestep: { tokens: null, varies: "schedule", positions: false },
  /** [B] */
  guidance: ofPrompt(null),
  /** [img_tokens, 3] or [B, img_tokens, 3] */
  "img-ids": ofPrompt(IMG_TOKENS, true),
  /** [txt_tokens, 3] or [B, txt_tokens, 3] */
  "txt-ids": ofPrompt(TXT_TOKENS, true),
} as const satisfies Readonly<Record<string, ModelInput>>;

export type Flux1Input = keyof typeof FLUX1_INPUTS;
