import { byteLength } from "../../ir/dtype.js";
import { axesOf, type LaunchNumbers } from "../../ir/families/contract/axes.js";
import type { Contract, Family } from "../../ir/families/contract/family.js";
import { sizeOf } from "../../ir/families/contract/sizes.js";
import type { Language } from "../../ir/program/program.js";
import { elementsOf } from "../../ir/program/region.js";
import { workOf } from "../../ir/program/work.js";
import type { Launched } from "./cost.js";

/** What a launch touches by the contract of its family, whatever the kernel: bytes, each once, and operations. */
export interface Touched {
  /** Bytes read of operands of which each row of the launch has its part. */
  readonly rowBytes: number;
  /** Bytes of operands that all rows read: vectors of channels. */
  readonly commonBytes: number;
  readonly writtenBytes: number;
  /** In f32; a root or an exponential counts as one. */
  readonly operations: number;
  /** Tiles of the grid, and rows of it: one where elements lie in no rows. */
  readonly workgroups: number;
  readonly gridRows: number;
}

/** How a kernel goes over its operands. */
export interface Streams {
  /** How often a row is read; 1 if absent. */
  readonly passes?: number;
  /** How often each row reads what all rows read; absent where that is read once in all. */
  readonly vectors?: number;
  /** Sums and maxima over a row; none if absent. */
  readonly folds?: number;
  /** Divisions, roots and exponentials for each element of the result; none if absent. */
  readonly special?: number;
  /** Instructions for each element (WebAssembly: for each vector of four) besides the family's operations; none if absent. */
  readonly more?: number;
  /** A table of which each row of the launch reads one row. */
  readonly table?: string;
  /** Operations of a result, where the family does not know them. */
  readonly operations?: number;
}

/** What a launch touches; null where that takes scalars which are not known. */
export function touchedBy<P>(
  family: Pick<Family<P>, "contract">,
  params: P,
  language: Language,
  { rows, scalars = [], launch }: Launched,
  { table, operations: each }: Pick<Streams, "table" | "operations"> = {},
): Touched | null {
  const contract = family.contract(params);
  if (scalars.length < contract.scalars.length) return null;
  const args = contract.args.map((arg): Contract["args"][number] => {
    if (arg.layout !== undefined) return { ...arg, axes: [{ size: arg.layout.words[language], stride: 1 }] };
    if (arg.name !== table) return arg;
    return { ...arg, byRow: true, axes: [{ size: "rows", stride: "row stride" }, ...arg.axes.slice(1)] };
  });
  const numbers: LaunchNumbers = {
    ...{ rows, scalars },
    // One row for all rows, or one behind the other.
    rowStrides: args.map(({ axes, repeats }) =>
      repeats === true ? 0 : sizeOf(axes.at(-1)?.size ?? 1, { rows, scalars }),
    ),
  };
  let commonBytes = 0;
  for (const [i, arg] of args.entries()) {
    const isCommon =
      arg.repeats === true || (!arg.byRow && arg.layout === undefined && arg.axes[0]?.size === 1);
    if (isCommon && arg.access !== "write")
      commonBytes += byteLength(arg.dtype, elementsOf(axesOf(arg, i, numbers)));
  }
  const { readBytes, writtenBytes, operations } = workOf({ ...contract, args }, numbers);
  const grid = contract.grid.map((size) => sizeOf(size, { rows, scalars }));
  const tiles = grid.map((size, axis) => Math.ceil(size / (launch.tile[axis] ?? 1)));
  const workgroups = tiles.reduce((product, count) => product * count, 1);
  return {
    ...{ rowBytes: readBytes - commonBytes, commonBytes, writtenBytes, workgroups, gridRows: grid[1] ?? 1 },
    operations: each === undefined ? operations.f32 : each * rows,
  };
}
