/** The VAE of a pipeline, between 8-bit pictures and the transformer's packed latents. */

import type { VaeTiles } from "../../ir/format/vae-tiles.js";
import type { LatentLayout } from "../../ir/models/index.js";
import type { VaeConfig } from "../../ir/sampling/vae-config.js";
import { requireFinite } from "../not-finite.js";
import {
  type HostTensor,
  modelError,
  type Network,
  type OpenNetwork,
  onlyInput,
  pickOutput,
  show,
} from "./network.js";
import type { Picture } from "./picture.js";
import { decodedSizes, encodedSizes, needsTiles, runTiles, type TiledSizes } from "./tiles.js";

/** Packed latents, in the transformer's scale, to a picture. */
export async function decodeLatents(
  network: Network,
  config: VaeConfig,
  layout: LatentLayout,
  latents: Float32Array,
  { height, width }: { readonly height: number; readonly width: number },
): Promise<Picture> {
  const geometry = layout.geometry(height, width, config.latentChannels, config.vaeScale);
  requireFinite(latents, {
    place: "latents",
    what: "what is to be decoded",
    remedy: "run tritc verify on the bundle, or try another device",
  });
  const sample = layout.unpack(latents, geometry).map((z) => z / config.scalingFactor + config.shiftFactor);
  const { place } = network;
  const session = await network.open();
  const shape = [1, geometry.channels, geometry.latentHeight, geometry.latentWidth];
  const input = onlyInput(place, session, "latent_sample");
  const decode = async (tile: HostTensor) =>
    pickOutput(place, await session.run({ [input]: tile }), ["sample"], 4);
  const x = { data: sample, shape };
  const tiling = tilingOf(session, x, (tiles) => decodedSizes(tiles, height / geometry.latentHeight));
  const image = await whollyOrTiled(place, x, decode, tiling);
  const [, channels, rows, columns] = image.shape;
  if (channels !== 3 || rows !== height || columns !== width) {
    throw modelError(place, "the decoded picture has another size", `[1,3,${height},${width}]`, show(image));
  }
  const rgb = toRgb(image.data, width * height);
  return { rgb, width, height, ...(tiling === undefined ? {} : { tilePixels: tiling.sizes.output }) };
}

/**
 * A picture to packed latents in the transformer's scale: the mean of what the encoder gives, so that a picture is
 * always the same latents.
 *
 * @param planes [3, height, width] in [-1, 1]
 */
export async function encodePlanes(
  network: Network,
  config: VaeConfig,
  layout: LatentLayout,
  planes: Float32Array,
  { height, width }: { readonly height: number; readonly width: number },
): Promise<Float32Array> {
  const geometry = layout.geometry(height, width, config.latentChannels, config.vaeScale);
  const { place } = network;
  const session = await network.open();
  const input = onlyInput(place, session, "sample");
  const encode = async (tile: HostTensor) =>
    pickOutput(place, await session.run({ [input]: tile }), ["latent_parameters", "latent_sample"], 4);
  const pixels = height / geometry.latentHeight;
  const picture = { data: planes, shape: [1, 3, height, width] };
  const tiling = tilingOf(session, picture, (tiles) => encodedSizes(tiles, pixels, pixels / config.vaeScale));
  const found = await whollyOrTiled(place, picture, encode, tiling);
  const [, channels, rows, columns] = found.shape;
  const { channels: mean, latentHeight, latentWidth } = geometry;
  // The mean comes first, then the logarithm of the variance, if the graph has not sampled from them already.
  if (!(channels === mean || channels === 2 * mean) || rows !== latentHeight || columns !== latentWidth) {
    const expected = `[1,${2 * mean},${latentHeight},${latentWidth}]`;
    throw modelError(place, "the encoded picture has another size", expected, show(found));
  }
  const latents = found.data
    .subarray(0, mean * latentHeight * latentWidth)
    .map((z) => (z - config.shiftFactor) * config.scalingFactor);
  return layout.pack(latents, geometry);
}

interface Tiling {
  readonly tiles: VaeTiles;
  readonly sizes: TiledSizes;
}

/** The tiles that a network was compiled for, where an input is larger than one. */
function tilingOf(
  { tiles }: OpenNetwork,
  x: HostTensor,
  sizesOf: (tiles: VaeTiles) => TiledSizes,
): Tiling | undefined {
  if (tiles === undefined) return undefined;
  const sizes = sizesOf(tiles);
  return needsTiles(x, sizes) ? { tiles, sizes } : undefined;
}

function whollyOrTiled(
  place: string,
  x: HostTensor,
  run: (x: HostTensor) => Promise<HostTensor>,
  tiling: Tiling | undefined,
): Promise<HostTensor> {
  if (tiling === undefined) return run(x);
  const { tiles, sizes } = tiling;
  return runTiles(x, tiles, sizes, async (tile) => {
    const found = await run(tile);
    const [height = 0, width = 0] = tile.shape.slice(2).map((side) => (side / sizes.input) * sizes.output);
    if (found.shape[2] === height && found.shape[3] === width) return found;
    throw modelError(
      place,
      "the result for a tile has another size",
      `[1,…,${height},${width}]`,
      show(found),
    );
  });
}

/** Planar [3, pixels] in [-1, 1] to interleaved 8-bit, clamped and rounded. */
function toRgb(planes: Float32Array, pixels: number): Uint8Array {
  const rgb = new Uint8Array(pixels * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) {
      const value = planes[channel * pixels + i] ?? 0;
      rgb[i * 3 + channel] = Math.round(Math.min(1, Math.max(0, value / 2 + 0.5)) * 255);
    }
  }
  return rgb;
}
