import { familyOf, type ModelDescription } from "./index.js";

/**
 * How a model that masks the padding of its text is given it. `seen`: all of it, with a mask that weakens what is behind the first
 * such token, as Diffusers' pipeline has it. `hidden`: without that, which is what a model gets to know of text whose padding is
 * masked away, as it was trained.
 */
export const TEXT_PADDINGS = ["seen", "hidden"] as const;
export type TextPadding = (typeof TEXT_PADDINGS)[number];

/** How padding is given to a model where nobody says otherwise; null for one that reads it as any token. */
export function usualPadding(model: ModelDescription): TextPadding | null {
  if (familyOf(model).pipeline.text !== "masked-states") return null;
  const masks: readonly string[] = ["text-mask", "token-mask"];
  return Object.values(model.roles).some((role) => masks.includes(role)) ? "seen" : "hidden";
}
