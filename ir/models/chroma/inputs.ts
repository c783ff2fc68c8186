import { FLUX_INPUTS, TEXT_VECTOR } from "../flux/inputs.js";

/** The parts that inputs of a Chroma transformer play. */
export const CHROMA_INPUTS = {
  ...FLUX_INPUTS,
  /** [B, txt_tokens], 0 for padding that is weakened or hidden, else 1; some exports are without. */
  "text-mask": TEXT_VECTOR,
  /** [B, txt_tokens + img_tokens], the same of all tokens, of which those of the picture have 1: exports have this one. */
  "token-mask": TEXT_VECTOR,
} as const;

export type ChromaInput = keyof typeof CHROMA_INPUTS;
