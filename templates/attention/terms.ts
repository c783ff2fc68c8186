import { type AttentionParams, hasTerms, maskedScalar } from "../../ir/families/attention.js";

/** What templates of matrix instructions are rendered with, where all that scores depend on besides is what masked keys lose. */
export function lossValues(params: AttentionParams) {
  return { loses: params.maskLoss !== undefined, masked: maskedScalar(params) };
}

/** What templates are rendered with where scores depend on more than a query and a key, or heads share keys. */
export function termValues(params: AttentionParams) {
  const { heads, keyValueHeads = heads, causal = false, bias = false, mask = "none", maskLoss } = params;
  const loses = maskLoss !== undefined;
  return {
    terms: hasTerms(params),
    causal,
    bias,
    // A mask that takes a part of scores leaves no key out.
    mask: loses ? "none" : mask,
    loses,
    loss: maskLoss ?? 0,
    masked: maskedScalar(params),
    sharing: heads / keyValueHeads,
  };
}
