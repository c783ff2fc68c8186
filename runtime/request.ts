import { checkWhole, MAX_PROMPT, MAX_SIDE, MAX_STEPS, MAX_TEXT_TOKENS, outOfRange } from "../ir/bounds.js";
import { TEXT_PADDINGS } from "../ir/models/text-padding.js";
import { SAMPLERS } from "../ir/sampling/rules/index.js";
import { seedWords } from "./noise.js";

/** What a caller of `generate` may ask for, of whatever type it really is. Throws TRITC_E_RANGE and TRITC_E_SEED. */
export function checkRequest(request: {
  readonly prompt: string;
  readonly negativePrompt?: string | undefined;
  readonly seed?: number | bigint;
  readonly steps?: number | undefined;
  readonly sampler?: string | undefined;
  readonly guidance?: number | undefined;
  readonly trueCfgScale?: number | undefined;
  readonly strength?: number | undefined;
  readonly width?: number;
  readonly height?: number;
  readonly textLength?: number | undefined;
  readonly textPadding?: string | undefined;
}): void {
  const {
    prompt,
    negativePrompt = "",
    seed = 0,
    steps,
    sampler,
    guidance,
    trueCfgScale,
    strength,
    width,
    height,
    textLength,
    textPadding,
  } = request;
  for (const [name, text] of Object.entries({ prompt, negativePrompt })) {
    if (typeof text !== "string") throw outOfRange(name, "text", typeof text);
    if (text.length > MAX_PROMPT) throw outOfRange(name, `at most ${MAX_PROMPT} characters`, text.length);
  }
  seedWords(seed);
  const known: readonly string[] = SAMPLERS;
  if (sampler !== undefined && !known.includes(sampler))
    throw outOfRange("sampler", known.join(" or "), String(sampler));
  const paddings: readonly string[] = TEXT_PADDINGS;
  if (textPadding !== undefined && !paddings.includes(textPadding))
    throw outOfRange("textPadding", paddings.join(" or "), String(textPadding));
  for (const [name, scale] of Object.entries({ guidance, trueCfgScale })) {
    if (scale !== undefined && !Number.isFinite(scale)) throw outOfRange(name, "a number", scale);
  }
  if (strength !== undefined && !(strength > 0 && strength <= 1))
    throw outOfRange("strength", "a number above 0, at most 1", strength);
  const sizes = { steps: [steps, MAX_STEPS], width: [width, MAX_SIDE], height: [height, MAX_SIDE] } as const;
  for (const [name, [value, most]] of Object.entries(sizes)) {
    if (value !== undefined) checkWhole(name, value, 1, most);
  }
  if (textLength !== undefined) checkWhole("textLength", textLength, 1, MAX_TEXT_TOKENS);
}
