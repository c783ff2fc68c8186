import { Tokenizer } from "@huggingface/tokenizers";
import { openTokenizer as openIn, type PromptTokenizer, type TokenizerHost } from "../pipeline/tokenizer.js";
import { folderFiles } from "./pipeline-folder.js";
import { withinSeconds } from "./time-limit.js";

export const tokenizers: TokenizerHost = { Tokenizer, within: withinSeconds };

/** The tokenizer of a folder; see `openTokenizer` of the portable runtime. */
export function openTokenizer(folder: string, limit: number, seconds?: number): Promise<PromptTokenizer> {
  return openIn(tokenizers, folderFiles(folder), ".", limit, seconds);
}
