import { malformed } from "./pipeline-file.js";

/** What the sampler needs to know of a VAE. */
export interface VaeConfig {
  readonly latentChannels: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Pixels per latent, 2^(levels - 1). */
  readonly vaeScale: number;
  /** Side in pixels of the pictures it was made for; null where the file does not say. */
  readonly sampleSize: number | null;
}

/** Levels beyond this are damage: 2^(levels - 1) pixels to a latent. */
const MOST_LEVELS = 8;

/**
 * Reads the VAE's `config.json`.
 *
 * @param place the file's name, for errors
 * @throws TritcError `TRITC_E_PIPELINE_FILE`
 */
export function readVaeConfig(json: unknown, place: string): VaeConfig {
  const entries = new Map<string, unknown>(Object.entries(json ?? {}));
  const number = (name: string, fallback?: number): number => {
    const value = entries.get(name) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw malformed(place, `${name}, a number`, show(value));
  };
  const count = (name: string, value: unknown): number => {
    if (Number.isSafeInteger(value) && Number(value) > 0) return Number(value);
    throw malformed(place, `${name}, a positive whole number`, show(value));
  };
  const levels = entries.get("block_out_channels");
  if (!Array.isArray(levels) || levels.length === 0 || levels.length > MOST_LEVELS) {
    throw malformed(place, `block_out_channels, a list of 1 to ${MOST_LEVELS}`, show(levels));
  }
  // A VAE with statistics of its latents scales by them itself.
  const scalingFactor = number("scaling_factor", entries.has("batch_norm_eps") ? 1 : undefined);
  if (scalingFactor === 0) throw malformed(place, "scaling_factor other than 0", "0");
  const size: unknown = entries.get("sample_size") ?? null;
  return {
    latentChannels: count("latent_channels", entries.get("latent_channels")),
    scalingFactor,
    shiftFactor: number("shift_factor", 0),
    vaeScale: 2 ** (levels.length - 1),
    sampleSize: size === null ? null : count("sample_size", Array.isArray(size) ? size[0] : size),
  };
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "none";
}
