/**
 * The layouts of FLUX.2 latents. What the VAE reads has its 2x2 patches in the channels already, [channels*4, height/16,
 * width/16], channel c*4 + dy*2 + dx; the transformer sees one token per place, [(height/16)(width/16), channels*4].
 */

import type { LatentGeometry, LatentLayout } from "../family.js";
import { latentGeometry } from "../flux/geometry.js";
import { requireLatents } from "../require-latents.js";

function geometryOf(height: number, width: number, channels = 32, vaeScale = 8): LatentGeometry {
  const patches = latentGeometry(height, width, channels, vaeScale);
  const { rows, columns, packedChannels } = patches;
  return { ...patches, channels: packedChannels, latentHeight: rows, latentWidth: columns };
}

function pack(latents: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLatents("packLatents", latents, geometry);
  return transposed(latents, geometry.packedChannels, geometry.imageTokens);
}

function unpack(packed: Float32Array, geometry: LatentGeometry): Float32Array {
  requireLatents("unpackLatents", packed, geometry);
  return transposed(packed, geometry.imageTokens, geometry.packedChannels);
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? Number.NaN);
}

export const flux2Latents: LatentLayout = { geometry: geometryOf, pack, unpack };

/** [tokens, 4] position ids (0, 0, 0, token). */
export function textIds(tokens: number): Float32Array {
  return Float32Array.from({ length: tokens * 4 }, (_, i) => (i % 4 === 3 ? (i - 3) / 4 : 0));
}
