/** How the pictures of a VAE are run that are larger than a device has room for. */
export interface VaeTiles {
  /** Side of a tile, in rows and columns of the latents that the network takes or gives; a multiple of 4. */
  readonly latents: number;
  /** The part of a tile's side that it shares with the next one. */
  readonly overlap: number;
}

/** As in Diffusers' `enable_tiling`. */
export const TILE_OVERLAP = 0.25;
