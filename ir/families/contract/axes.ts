import type { RegionAxis } from "../../program/region.js";
import type { FamilyArg } from "./arguments.js";
import { type LaunchSizes, sizeOf } from "./sizes.js";

/** A launch with its symbols replaced by numbers. */
export interface LaunchNumbers extends LaunchSizes<number> {
  readonly rowStrides: readonly number[];
}

/** The axes along which a launch touches argument `i`. */
export function axesOf(
  { axes }: Pick<FamilyArg, "axes">,
  i: number,
  launch: LaunchNumbers,
): readonly RegionAxis[] {
  return axes.map(({ size, stride }) => ({
    size: sizeOf(size, launch),
    stride: stride === "row stride" ? (launch.rowStrides[i] ?? Number.NaN) : sizeOf(stride, launch),
  }));
}
