/** How the pictures of a VAE are run that are larger than a device has room for. */
export interface VaeTiles {
  /** Side of a tile, in rows and columns of the latents that the network takes or gives; a multiple of 4. */
  readonly latents: number;
  /** The part of a tile's side that it shares with the next one. */
  readonly overlap: number;
}

/** What is wrong with tiles that a bundle says, or undefined. */
export function vaeTilesProblem({ latents, overlap }: VaeTiles): string | undefined {
  const shared = latents * overlap;
  return latents > 0 && shared > 0 && 2 * shared <= latents && Number.isInteger(shared)
    ? undefined
    : "a tile shares whole rows of its latents with the next one, at most half of them";
}

/** As in Diffusers' `enable_tiling`. */
export const TILE_OVERLAP = 0.25;
