import type { Dim } from "../../dim.js";
import type { Axis } from "./arguments.js";
import type { Contract } from "./family.js";
import { type LaunchSizes, type Size, sizeOf } from "./sizes.js";

/** How a launch is cut into several along one axis of its arguments: each has less of it, and begins further on. */
export interface Division {
  /** The scalar that holds the size of that axis. */
  readonly scalar: number;
  readonly count: number;
  readonly args: readonly ArgDivision[];
}

/** Of one argument, in elements. */
export interface ArgDivision {
  /** Between neighbours along the axis; 0: all pieces touch the same elements. */
  readonly stride: number;
  /** From the first to one past the last that belongs to one place of the axis. */
  readonly extent: number;
}

/** How launches of this kernel may be divided; undefined for families that name no axis for it. */
export function divisionOf(contract: Contract, launch: LaunchSizes<number>): Division | undefined {
  const { divisible } = contract;
  if (divisible === undefined) return undefined;
  const args = contract.args.map(({ axes }): ArgDivision => {
    const along = axes.find(({ size }) => isScalar(size, divisible));
    const others = axes.filter((axis) => axis !== along);
    const extent = others.reduce(
      (sum, axis) => sum + (sizeOf(axis.size, launch) - 1) * strideOf(axis, launch),
      1,
    );
    return { stride: along === undefined ? 0 : strideOf(along, launch), extent };
  });
  return { scalar: divisible, count: launch.scalars[divisible] ?? Number.NaN, args };
}

/** Bindings begin at multiples of this, so that a window may begin this much early. */
export const WINDOW_ALIGNMENT = 256;

/** Whether a piece of one place can bind a window of the argument's buffer, of at most `bytes`, instead of all of it. */
export function isWindowed(
  { stride, extent }: ArgDivision,
  stepStride: Dim,
  elementBytes: number,
  bytes: number,
): boolean {
  return stride > 0 && stepStride === 0 && extent * elementBytes <= bytes - WINDOW_ALIGNMENT;
}

function isScalar(size: Size, index: number): boolean {
  return typeof size === "object" && size.scalars.length === 1 && size.scalars[0] === index;
}

function strideOf({ stride }: Axis, launch: LaunchSizes<number>): number {
  if (stride === "row stride")
    throw new RangeError("an axis of rows in a launch that is divided along another");
  return sizeOf(stride, launch);
}
