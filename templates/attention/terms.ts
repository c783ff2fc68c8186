import { type AttentionParams, hasTerms } from "../../ir/families/attention.js";

/** What templates are rendered with where scores depend on more than a query and a key, or heads share keys. */
export function termValues(params: AttentionParams) {
  const { heads, keyValueHeads = heads, causal = false, bias = false, mask = "none" } = params;
  return { terms: hasTerms(params), causal, bias, mask, sharing: heads / keyValueHeads };
}
