/**
 * The layouts of FLUX latents. The VAE sees [channels, height/8, width/8]; the transformer sees one token
 * per 2x2 patch, [(height/16)(width/16), channels*4], its channel being c*4 + dy*2 + dx.
 */

import type { LatentGeometry, LatentLayout } from "../family.js";
import { latentGeometry } from "../flux/geometry.js";
import { gridIds } from "../references.js";
import { requireLatents } from "../require-latents.js";

export { latentGeometry };

/** [channels, latentHeight, latentWidth] to [imageTokens, packedChannels]. */
export function packLatents(latents: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLatents("packLatents", latents, geometry);
  const packed = new Float32Array(latents.length);
  forEachLatent(geometry, (plain, token) => {
    packed[token] = latents[plain] ?? Number.NaN;
  });
  return packed;
}

/** [imageTokens, packedChannels] to [channels, latentHeight, latentWidth]. */
export function unpackLatents(packed: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLatents("unpackLatents", packed, geometry);
  const latents = new Float32Array(packed.length);
  forEachLatent(geometry, (plain, token) => {
    latents[plain] = packed[token] ?? Number.NaN;
  });
  return latents;
}

/** [imageTokens, 3] position ids (0, row, column) in token order. */
export function imageIds(geometry: LatentGeometry): Float32Array {
  return gridIds([{ ...geometry, time: 0 }], 3);
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

export const flux1Latents: LatentLayout = {
  geometry: latentGeometry,
  pack: packLatents,
  unpack: unpackLatents,
};
