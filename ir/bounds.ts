import { TritcError } from "./errors.js";

/** Threads that may share a launch, whose chunks are counted in 12 bits. */
export const MAX_THREADS = 512;
/** More denoising steps than any schedule has timesteps for. */
export const MAX_STEPS = 10_000;
/** Pixels of a picture's side: far beyond what a model draws, and small enough to compute with. */
export const MAX_SIDE = 16_384;
export const MAX_TEXT_TOKENS = 16_384;
/** Characters of a prompt; a text encoder takes some hundred tokens. */
export const MAX_PROMPT = 100_000;

/** A whole number within bounds, before anything is made of its size. Throws TRITC_E_RANGE. */
export function checkWhole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw outOfRange(name, `a whole number from ${least} to ${most}`, value);
}

/** TRITC_E_RANGE */
export function outOfRange(name: string, expected: string, found: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_RANGE",
    message: `${name} is out of range`,
    place: name,
    expected,
    found: String(found),
    remedy: `choose another ${name}`,
  });
}
