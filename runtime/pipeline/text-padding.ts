/** What a model that masks the padding of its text gets to see of it. */
import { TritcError } from "../../ir/errors.js";
import { familyOf, type ModelDescription } from "../../ir/models/index.js";
import { type TextPadding, usualPadding } from "../../ir/models/text-padding.js";
import type { EncodedPrompt } from "./text-encoders.js";

/** Throws TRITC_E_TEXT_PADDING where a model can't be given padding so. */
export function requirePadding(model: ModelDescription, padding: TextPadding | undefined): void {
  const usual = usualPadding(model);
  if (padding === undefined || usual === "seen" || usual === padding) return;
  throw new TritcError({
    code: "TRITC_E_TEXT_PADDING",
    message:
      usual === null
        ? "the model reads the padding of its text as any other token"
        : "the model takes no mask of its text, so padding can only be left out",
    place: `--text-padding ${padding}`,
    expected: usual === null ? "a model that masks padding, as Chroma does" : "hidden",
    found: familyOf(model).title,
    remedy:
      usual === null ? "leave --text-padding out" : "leave --text-padding out, or compile a Diffusers folder",
    exitCode: 2,
  });
}

/** Of what text encoders made of a prompt, what a model is given. */
export function givenText(text: EncodedPrompt, padding: TextPadding | null): EncodedPrompt {
  const { context, contextWidth, shownTokens } = text;
  if (padding !== "hidden" || shownTokens === undefined) return text;
  return { ...text, context: context.slice(0, shownTokens * contextWidth), contextTokens: shownTokens };
}
