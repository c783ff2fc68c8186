import { type FluxSizes, leafOf, linearShape as sharedShape } from "../flux/sizes.js";

export const ROPE_THETA = 2000;
/** What its rotations split a head of 128 channels into. */
export const ROPE_AXES: readonly number[] = [32, 32, 32, 32];
export const EPSILON = 1e-6;

/** [out, in] of the linear of a role (see `modules.ts`). */
export function linearShape(sizes: FluxSizes, role: string): readonly [number, number] {
  const hidden = sizes.heads * sizes.headDim;
  switch (leafOf(role)) {
    case "modulation.double.img":
    case "modulation.double.txt":
      return [6 * hidden, hidden];
    case "modulation.single":
      return [3 * hidden, hidden];
    // Gate and value of SwiGLU.
    case "mlp.up":
      return [2 * sizes.mlpWidth, hidden];
    case "linear1":
      return [3 * hidden + 2 * sizes.mlpWidth, hidden];
    default:
      return sharedShape(sizes, role);
  }
}
