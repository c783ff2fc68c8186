/**
 * The layouts of FLUX latents. The VAE sees [channels, height/8, width/8]; the transformer sees one token
 * per 2x2 patch, [(height/16)(width/16), channels*4], its channel being c*4 + dy*2 + dx.
 */

import { checkWhole, MAX_SIDE } from "../../bounds.js";
import { TritcError } from "../../errors.js";

export interface LatentGeometry {
  /** Picture height and width in pixels. */
  readonly height: number;
  readonly width: number;
  /** Latent channels of the VAE (16). */
  readonly channels: number;
  /** Latent height and width: pixels / vaeScale. */
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** Rows and columns of image tokens: latent size / 2. */
  readonly rows: number;
  readonly columns: number;
  /** rows * columns. */
  readonly imageTokens: number;
  /** Channels of a packed token: channels * 4. */
  readonly packedChannels: number;
}

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

/** [channels, latentHeight, latentWidth] to [imageTokens, packedChannels]. */
export function packLatents(latents: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLength("packLatents", latents, geometry);
  const packed = new Float32Array(latents.length);
  forEachLatent(geometry, (plain, token) => {
    packed[token] = latents[plain] ?? Number.NaN;
  });
  return packed;
}

/** [imageTokens, packedChannels] to [channels, latentHeight, latentWidth]. */
export function unpackLatents(packed: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLength("unpackLatents", packed, geometry);
  const latents = new Float32Array(packed.length);
  forEachLatent(geometry, (plain, token) => {
    latents[plain] = packed[token] ?? Number.NaN;
  });
  return latents;
}

/** Rows of `left`, each followed by its row of `right`. */
export function joinRows(left: Float32Array, right: Float32Array, rows: number): Float32Array {
  const [a, b] = [left.length / rows, right.length / rows];
  const joined = new Float32Array(left.length + right.length);
  for (let row = 0; row < rows; row++) {
    joined.set(left.subarray(row * a, (row + 1) * a), row * (a + b));
    joined.set(right.subarray(row * b, (row + 1) * b), row * (a + b) + a);
  }
  return joined;
}

/** [imageTokens, 3] position ids (0, row, column) in token order. */
export function imageIds(geometry: LatentGeometry): Float32Array {
  const ids = new Float32Array(geometry.imageTokens * 3);
  for (let token = 0; token < geometry.imageTokens; token++) {
    ids[token * 3 + 1] = Math.floor(token / geometry.columns);
    ids[token * 3 + 2] = token % geometry.columns;
  }
  return ids;
}

/** [tokens, 3] position ids of text: all zero. */
export function textIds(tokens: number): Float32Array {
  return new Float32Array(tokens * 3);
}

/** Calls `visit` with the offset of every latent in the VAE's layout and in the packed one. */
function forEachLatent(g: LatentGeometry, visit: (plain: number, packed: number) => void): void {
  let plain = 0;
  for (let c = 0; c < g.channels; c++) {
    for (let y = 0; y < g.latentHeight; y++) {
      for (let x = 0; x < g.latentWidth; x++) {
        const token = (y >> 1) * g.columns + (x >> 1);
        visit(plain++, token * g.packedChannels + c * 4 + (y & 1) * 2 + (x & 1));
      }
    }
  }
}

/** Throws TRITC_E_LATENTS for packed latents of another picture's size. */
export function requireLatents(latents: Float32Array, geometry: LatentGeometry): void {
  requireLength("the sampler", latents, geometry);
}

function requireLength(who: string, values: Float32Array, g: LatentGeometry): void {
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
