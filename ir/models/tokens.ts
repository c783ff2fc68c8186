import type { Dim } from "../dim.js";

/** The dims that symbols of token counts get once the parts of inputs are known. */
export const IMG_TOKENS: Dim = "img_tokens";
export const TXT_TOKENS: Dim = "txt_tokens";
/** Tokens of pictures to draw after, where they are inputs of their own. */
export const REF_TOKENS: Dim = "ref_tokens";
