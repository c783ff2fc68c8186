import type { ModelInput } from "../family.js";
import { IMG_TOKENS, REF_TOKENS, TXT_TOKENS } from "../tokens.js";

type Kind = Pick<ModelInput, "positions" | "text">;

const ofPrompt = (tokens: ModelInput["tokens"], { positions, text }: Partial<Kind> = {}): ModelInput => ({
  tokens,
  varies: "prompt",
  text: text ?? false,
  positions: positions ?? false,
});

/** A vector of the caller's for every sample. */
const VECTOR: ModelInput = ofPrompt(null);

/** A vector of the text for every sample. */
export const TEXT_VECTOR: ModelInput = ofPrompt(null, { text: true });

/** The parts that inputs play in every transformer of double and single blocks. */
export const FLUX_INPUTS = {
  /** [B, img_tokens, in_channels] */
  latents: { tokens: IMG_TOKENS, varies: "evaluation", text: false, positions: false },
  /** [B, txt_tokens, joint_attention_dim] */
  context: ofPrompt(TXT_TOKENS, { text: true }),
  /** [B], sigma in (0, 1] */
  timestep: { tokens: null, varies: "schedule", text: false, positions: false },
  /** [B] */
  guidance: VECTOR,
  /** [img_tokens, axes] or [B, img_tokens, axes] */
  "img-ids": ofPrompt(IMG_TOKENS, { positions: true }),
  /** [txt_tokens, axes] or [B, txt_tokens, axes] */
  "txt-ids": ofPrompt(TXT_TOKENS, { text: true, positions: true }),
} as const satisfies Readonly<Record<string, ModelInput>>;

/** Pictures to draw after whose keys and values are computed once, from them alone. */
export const REFERENCE_INPUTS = {
  /** [B, ref_tokens, in_channels] */
  "reference-latents": ofPrompt(REF_TOKENS),
  /** [ref_tokens, axes] or [B, ref_tokens, axes] */
  "reference-ids": ofPrompt(REF_TOKENS, { positions: true }),
} as const satisfies Readonly<Record<string, ModelInput>>;

/** The part that an input plays in any of them: one of these, a summary of the text, or which of its tokens are shown. */
export type FluxInput =
  | keyof typeof FLUX_INPUTS
  | keyof typeof REFERENCE_INPUTS
  | "pooled"
  | "text-mask"
  | "token-mask";
