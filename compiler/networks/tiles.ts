import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { TILE_OVERLAP, type VaeTiles } from "../../ir/format/vae-tiles.js";
import type { Tiling } from "./part.js";

/** Sides of tiles are multiples of this many latents, so that a quarter of one is whole latents. */
const STEP = 4;
/** In latents: smaller tiles are pictures of their own, whose norms have little to do with the whole. */
const SMALLEST = 16;
/** What a plan is refused with that is too large. */
const TOO_LARGE = ["TRITC_E_BUFFER_LIMIT", "TRITC_E_DEVICE_MEMORY"];

export interface TiledSizes {
  /** Undefined where whole pictures fit, or no tile does. */
  readonly tiles: VaeTiles | undefined;
  /** What the network is planned for, picture by picture. */
  readonly sizes: readonly Bindings[];
}

/**
 * The largest tiles that a network fits with which does not fit with whole pictures. `plan` throws TRITC_E_BUFFER_LIMIT or
 * TRITC_E_DEVICE_MEMORY for what does not; whatever else it throws, this throws.
 *
 * @param whole the values of the network's symbols for each planned picture
 */
export function tilesFor(
  tiling: Tiling | undefined,
  whole: readonly Bindings[],
  plan: (sizes: readonly Bindings[]) => void,
): TiledSizes {
  if (tiling === undefined || fits(plan, whole)) return { tiles: undefined, sizes: whole };
  const sizesOf = (steps: number) => whole.map((sizes) => least(sizes, tiling.sizes(steps * STEP)));
  const longest = Math.max(...whole.flatMap((sizes) => Object.values(sizes)));
  // The most steps that are known to fit, and the fewest that are not tried or do not.
  let [most, above] = [SMALLEST / STEP, Math.ceil(longest / STEP)];
  if (most >= above || !fits(plan, sizesOf(most))) return { tiles: undefined, sizes: whole };
  while (above - most > 1) {
    const middle = (most + above) >> 1;
    if (fits(plan, sizesOf(middle))) most = middle;
    else above = middle;
  }
  return { tiles: { latents: most * STEP, overlap: TILE_OVERLAP }, sizes: sizesOf(most) };
}

function fits(plan: (sizes: readonly Bindings[]) => void, sizes: readonly Bindings[]): boolean {
  try {
    plan(sizes);
    return true;
  } catch (error) {
    if (error instanceof TritcError && TOO_LARGE.includes(error.code)) return false;
    throw error;
  }
}

/** Sizes none of which exceeds that of a tile. */
function least(sizes: Bindings, tile: Bindings): Bindings {
  return Object.fromEntries(
    Object.entries(sizes).map(([name, size]) => [name, Math.min(size, tile[name] ?? size)]),
  );
}
