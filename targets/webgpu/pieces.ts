import { divisionOf, isWindowed, WINDOW_ALIGNMENT } from "../../ir/families/contract/division.js";
import type { LaunchSizes } from "../../ir/families/contract/sizes.js";
import { contractOf } from "../../ir/families/index.js";
import type { Kernel } from "../../ir/program/program.js";
import type { PlanLimits } from "../target.js";

/** An argument of a launch at the planned sizes. */
export interface PlannedArg {
  readonly buffer: string;
  readonly bytes: number;
  readonly elementBytes: number;
  readonly byRow: boolean;
  readonly uniform: boolean;
  readonly writes: boolean;
  readonly offset: number;
  readonly stride: number;
  readonly stepStride: number;
}

/** What one dispatch does of a launch. */
export interface Piece {
  readonly rows: number;
  readonly grid: readonly [number, number, number];
  readonly args: readonly PieceArg[];
  /** All scalars of the launch. */
  readonly scalars: readonly number[];
}

/** The elements of an argument that a piece begins at. */
export interface PieceArg {
  readonly start: number;
  /** How many elements from there a window holds all of; null: only the whole buffer does. */
  readonly elements: number | null;
}

/** Rows [first, first + rows) of a launch. */
export function rowPiece(
  args: readonly PlannedArg[],
  scalars: readonly number[],
  first: number,
  rows: number,
  grid: Piece["grid"],
): Piece {
  return {
    rows,
    grid,
    scalars,
    args: args.map(({ byRow, offset, stride, stepStride }) => ({
      start: offset + (byRow ? first * stride : 0),
      elements: byRow && stride > 0 && stepStride === 0 ? rows * stride : null,
    })),
  };
}

/**
 * A launch in pieces along the axis that its family names for it, each as large as the bindings allow; undefined where
 * there is no such axis or one place of it is too large.
 *
 * @param tile elements of a workgroup, which go along one axis of the grid
 */
export function dividedPieces(
  kernel: Kernel,
  args: readonly PlannedArg[],
  launch: LaunchSizes<number>,
  tile: number,
  { maxBindingBytes }: PlanLimits,
): readonly Piece[] | undefined {
  const contract = contractOf(kernel);
  const division = contract && divisionOf(contract, launch);
  if (division === undefined || args.some(({ uniform }) => uniform)) return undefined;
  let most = division.count;
  for (const [i, { bytes, elementBytes, stepStride }] of args.entries()) {
    const own = division.args[i];
    if (bytes <= maxBindingBytes) continue;
    if (own === undefined || !isWindowed(own, stepStride, elementBytes, maxBindingBytes)) return undefined;
    const elements = Math.floor((maxBindingBytes - WINDOW_ALIGNMENT) / elementBytes);
    most = Math.min(most, Math.floor((elements - own.extent) / own.stride) + 1);
  }
  return Array.from({ length: Math.ceil(division.count / most) }, (_, i): Piece => {
    const first = i * most;
    const count = Math.min(most, division.count - first);
    const rows = (launch.rows / division.count) * count;
    return {
      rows,
      grid: [Math.ceil(rows / tile), 1, 1],
      scalars: launch.scalars.with(division.scalar, count),
      args: args.map(({ offset, stepStride }, at) => {
        const { stride, extent } = division.args[at] ?? { stride: 0, extent: 0 };
        const windowed = stride > 0 && stepStride === 0;
        return { start: offset + first * stride, elements: windowed ? (count - 1) * stride + extent : null };
      }),
    };
  });
}
