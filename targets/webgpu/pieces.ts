import type { RowRange } from "../../ir/families/contract/arguments.js";
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
  /** Elements that a binding holds all of at one step, where it would be too small for those of all steps; else null. */
  readonly stepElements: number | null;
  /** The rows of it that some rows of the launch touch; null: the same ones, or all. */
  readonly window: ((of: RowRange) => RowRange) | null;
}

/** What one dispatch does of a launch. */
export interface Piece {
  /** Its first row, as scalars of the type `row` say it. */
  readonly first: number;
  readonly rows: number;
  readonly grid: readonly [number, number, number];
  readonly args: readonly PieceArg[];
  /** All scalars of the launch. */
  readonly scalars: readonly number[];
}

/** The elements of an argument that a piece begins at. */
export interface PieceArg {
  readonly start: number;
  /** How many elements from there, or from `begin` on, a window holds all of; null: only the whole buffer does. */
  readonly elements: number | null;
  /** Where the window begins, if not at the start, which may then lie before it. */
  readonly begin?: number;
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
    first,
    rows,
    grid,
    scalars,
    args: args.map(({ byRow, offset, stride, stepStride, window }) => {
      const moves = stride > 0 && stepStride === 0;
      if (window !== null && moves) {
        const touched = window({ first, rows });
        const begin = offset + touched.first * stride;
        return { start: offset, begin, elements: touched.rows * stride };
      }
      return {
        start: offset + (byRow ? first * stride : 0),
        elements: byRow && moves ? rows * stride : null,
      };
    }),
  };
}

/** How many rows, of whole tiles and at most `most`, pieces may have so that what they touch of the argument fits a binding. */
export function fittingRows(
  { window, stride, elementBytes }: PlannedArg,
  rows: number,
  { most, tile }: { readonly most: number; readonly tile: number },
  bytes: number,
): number {
  if (window === null) return most;
  const largest = (count: number) => {
    let touched = 0;
    for (let first = 0; first < rows; first += count)
      touched = Math.max(touched, window({ first, rows: Math.min(count, rows - first) }).rows);
    return touched * stride * elementBytes;
  };
  const whole = (count: number) => Math.floor(count / tile) * tile;
  let count = whole(most);
  while (count > 0 && largest(count) > bytes - WINDOW_ALIGNMENT) count = whole(count / 2);
  return count;
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
  for (const [i, { bytes, elementBytes, stepStride, stepElements }] of args.entries()) {
    const own = division.args[i];
    if (bytes <= maxBindingBytes || stepElements !== null) continue;
    if (own === undefined || !isWindowed(own, stepStride, elementBytes, maxBindingBytes)) return undefined;
    const elements = Math.floor((maxBindingBytes - WINDOW_ALIGNMENT) / elementBytes);
    most = Math.min(most, Math.floor((elements - own.extent) / own.stride) + 1);
  }
  return Array.from({ length: Math.ceil(division.count / most) }, (_, i): Piece => {
    const first = i * most;
    const count = Math.min(most, division.count - first);
    const rows = (launch.rows / division.count) * count;
    return {
      first: 0,
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
