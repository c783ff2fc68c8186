/** Pictures that a VAE takes or gives in overlapping tiles, as Diffusers' `enable_tiling` does it. */
import type { VaeTiles } from "../../ir/format/vae-tiles.js";
import type { HostTensor } from "./network.js";

/** How a network's input and output lie to each other. */
export interface TiledSizes {
  /** Side of a tile of the input. */
  readonly input: number;
  /** Side of the output for it. */
  readonly output: number;
  /** Rows, and columns, that one of the output stands for in its channels: 2 of FLUX.2's packed latents (c, row, column). */
  readonly patch: number;
}

/** One tile's result [1, channels, height, width], which the tiles below and on its right are blended with. */
interface Tile {
  readonly data: Float32Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Sizes of what a decoder reads and writes for a tile. */
export function decodedSizes({ latents }: VaeTiles, pixelsPerLatent: number): TiledSizes {
  return { input: latents, output: latents * pixelsPerLatent, patch: 1 };
}

/** The same of an encoder, whose latents are packed `patch` by `patch`. */
export function encodedSizes({ latents }: VaeTiles, pixelsPerLatent: number, patch: number): TiledSizes {
  return { input: latents * pixelsPerLatent, output: latents, patch };
}

/** Whether an input [1, C, H, W] is larger than a tile. */
export function needsTiles(
  { shape: [, , height = 1, width = 1] }: HostTensor,
  { input }: TiledSizes,
): boolean {
  return height > input || width > input;
}

/**
 * Runs a network over tiles of an input [1, C, H, W] and joins the results. Where two tiles overlap, the weight of the
 * second one grows evenly over the overlap, first downwards, then to the right. Tiles at the end may be smaller.
 *
 * Norms and attention see one tile at a time, so that results are not those of the whole.
 */
export async function runTiles(
  x: HostTensor,
  { overlap }: VaeTiles,
  sizes: TiledSizes,
  run: (tile: HostTensor) => Promise<HostTensor>,
): Promise<HostTensor> {
  const [, , height = 1, width = 1] = x.shape;
  const stride = Math.floor(sizes.input * (1 - overlap));
  const blend = Math.floor(sizes.output * overlap);
  const kept = sizes.output - blend;
  const [outHeight, outWidth] = [height, width].map((size) => (size / sizes.input) * sizes.output);
  let joined: Tile | undefined;
  let above: readonly Tile[] = [];
  for (let top = 0, row = 0; top < height; top += stride, row++) {
    const tiles: Tile[] = [];
    for (let left = 0; left < width; left += stride) {
      const tile = tileOf(await run(cut(x, top, left, sizes.input)));
      const upper = above[tiles.length];
      if (upper !== undefined) blendDown(upper, tile, blend, sizes.patch);
      const before = tiles.at(-1);
      if (before !== undefined) blendRight(before, tile, blend, sizes.patch);
      joined ??= blank(tile.channels, outHeight ?? 0, outWidth ?? 0);
      paste(joined, tile, row * kept, tiles.length * kept, kept);
      tiles.push(tile);
    }
    above = tiles;
  }
  if (joined === undefined) throw new Error("a picture without pixels");
  return { data: joined.data, shape: [1, joined.channels, joined.height, joined.width] };
}

function blank(channels: number, height: number, width: number): Tile {
  return { data: new Float32Array(channels * height * width), channels, height, width };
}

function tileOf({ data, shape: [, channels = 1, height = 1, width = 1] }: HostTensor): Tile {
  // Blending changes it, and a network may give its own memory.
  return { data: data.slice(), channels, height, width };
}

/** At most `size` rows and columns from (top, left) on. */
function cut(x: HostTensor, top: number, left: number, size: number): HostTensor {
  const [, channels = 1, rows = 1, columns = 1] = x.shape;
  const height = Math.min(size, rows - top);
  const width = Math.min(size, columns - left);
  const data = new Float32Array(channels * height * width);
  for (let c = 0, to = 0; c < channels; c++)
    for (let y = 0; y < height; y++, to += width) {
      const from = (c * rows + top + y) * columns + left;
      data.set(x.data.subarray(from, from + width), to);
    }
  return { data, shape: [1, channels, height, width] };
}

/** The first `kept` rows and columns of a tile, at their place. */
function paste(to: Tile, tile: Tile, top: number, left: number, kept: number): void {
  const height = Math.min(kept, tile.height);
  const width = Math.min(kept, tile.width);
  for (let c = 0; c < tile.channels; c++)
    for (let y = 0; y < height; y++) {
      const from = (c * tile.height + y) * tile.width;
      to.data.set(tile.data.subarray(from, from + width), (c * to.height + top + y) * to.width + left);
    }
}

/** Blends the last rows of `a` into the first ones of `b`. */
function blendDown(a: Tile, b: Tile, most: number, patch: number): void {
  const extent = Math.min(a.height, b.height, most);
  const width = Math.min(a.width, b.width);
  for (let c = 0; c < b.channels; c++)
    for (let y = 0; y < extent; y++) {
      const weight = weightOf(y, Math.floor(c / patch) % patch, extent, patch);
      const from = (c * a.height + a.height - extent + y) * a.width;
      const to = (c * b.height + y) * b.width;
      for (let x = 0; x < width; x++)
        b.data[to + x] = (a.data[from + x] ?? 0) * (1 - weight) + (b.data[to + x] ?? 0) * weight;
    }
}

/** Blends the last columns of `a` into the first ones of `b`. */
function blendRight(a: Tile, b: Tile, most: number, patch: number): void {
  const extent = Math.min(a.width, b.width, most);
  const height = Math.min(a.height, b.height);
  for (let c = 0; c < b.channels; c++)
    for (let y = 0; y < height; y++) {
      const from = (c * a.height + y) * a.width + a.width - extent;
      const to = (c * b.height + y) * b.width;
      for (let x = 0; x < extent; x++) {
        const weight = weightOf(x, c % patch, extent, patch);
        b.data[to + x] = (a.data[from + x] ?? 0) * (1 - weight) + (b.data[to + x] ?? 0) * weight;
      }
    }
}

/** Of the second tile at the place `at` of an overlap; `within` counts the rows or columns that channels stand for. */
function weightOf(at: number, within: number, extent: number, patch: number): number {
  return (at * patch + within) / (extent * patch);
}
