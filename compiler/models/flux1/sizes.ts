import { type FluxSizes, leafOf, linearShape as sharedShape } from "../flux/sizes.js";

/** FLUX.1 has one base for all of its rotations; no configuration states it. */
export const ROPE_THETA = 10000;
/** What its rotations split a head of 128 channels into. */
export const ROPE_AXES: readonly number[] = [16, 56, 56];
export const EPSILON = 1e-6;

/** [out, in] of the linear of a role (see `modules.ts`). */
export function linearShape(sizes: FluxSizes, role: string): readonly [number, number] {
  const hidden = sizes.heads * sizes.headDim;
  switch (leafOf(role)) {
    case "modulation":
      return [(role.startsWith("single.") ? 3 : 6) * hidden, hidden];
    case "vector_in.0":
      return [hidden, sizes.pooledDim ?? 0];
    case "vector_in.1":
      return [hidden, hidden];
    default:
      return sharedShape(sizes, role);
  }
}
