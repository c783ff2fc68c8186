import { TritcError } from "../errors.js";
import type { LatentGeometry } from "./family.js";

/** Throws TRITC_E_LATENTS for latents of another picture's size. */
export function requireLatents(who: string, values: Float32Array, g: LatentGeometry): void {
  const expected = g.imageTokens * g.packedChannels;
  if (values.length === expected) return;
  throw new TritcError({
    code: "TRITC_E_LATENTS",
    message: `${who} got latents of another size`,
    expected: `${expected} values (${g.imageTokens} tokens of ${g.packedChannels} for ${g.width}x${g.height})`,
    found: `${values.length} values`,
    remedy: "pass the height and width that the latents were made for",
  });
}
