import { checkWhole, MAX_SIDE } from "../../bounds.js";
import { TritcError } from "../../errors.js";
import type { LatentGeometry } from "../family.js";

/**
 * The sizes that follow from a picture's.
 *
 * @param vaeScale pixels per latent (8 for FLUX)
 * @throws TritcError `TRITC_E_RESOLUTION` if height or width is no multiple of 2*vaeScale
 */
export function latentGeometry(height: number, width: number, channels = 16, vaeScale = 8): LatentGeometry {
  const multiple = vaeScale * 2;
  for (const [name, size] of [
    ["height", height],
    ["width", width],
  ] as const) {
    if (Number.isInteger(size) && size > 0 && size % multiple === 0) {
      checkWhole(name, size, multiple, MAX_SIDE);
      continue;
    }
    const nearest = Math.max(1, Math.round(size / multiple)) * multiple;
    throw new TritcError({
      code: "TRITC_E_RESOLUTION",
      message: `the picture's ${name} does not divide into image tokens`,
      expected: `a positive multiple of ${multiple} pixels`,
      found: String(size),
      remedy: Number.isFinite(nearest) ? `use a ${name} of ${nearest}` : `pass a whole ${name}`,
    });
  }
  const rows = height / multiple;
  const columns = width / multiple;
  return {
    height,
    width,
    channels,
    latentHeight: rows * 2,
    latentWidth: columns * 2,
    rows,
    columns,
    imageTokens: rows * columns,
    packedChannels: channels * 4,
  };
}
