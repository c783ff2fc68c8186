/** An entry of `added_tokens` in a tokenizer.json: text that is never cut. */
export function addedToken(id: number, content: string, special = true): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}
