import type { FluxSizes } from "../flux/sizes.js";
import { linearShape as flux1Shape } from "../flux1/sizes.js";

/** Rows of modulation: three to a single block, six to each stream of a double block, and shift and scale of the last norm. */
export function modulationRows({ doubleBlocks, singleBlocks }: FluxSizes): number {
  return 3 * singleBlocks + 12 * doubleBlocks + 2;
}

/** [out, in] of the linear of a role (see `modules.ts`). */
export function linearShape(sizes: FluxSizes, role: string): readonly [number, number] {
  const { heads, headDim, timeWidth, frequencies } = sizes;
  if (role === "time_in.first") return [timeWidth, frequencies];
  if (role === "time_in.last") return [heads * headDim, timeWidth];
  return role.startsWith("time_in.") ? [timeWidth, timeWidth] : flux1Shape(sizes, role);
}
