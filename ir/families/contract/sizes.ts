import { type Dim, mulDims } from "../../dim.js";

/** A size of a launch: a number, its rows, or a product of its scalars. */
export type Size = number | "rows" | { readonly scalars: readonly number[] };

/** What decides the sizes of a launch. */
export interface LaunchSizes<D extends Dim = Dim> {
  readonly rows: D;
  readonly scalars: readonly D[];
}

/** The scalar of this index, or the product of several. */
export function scalar(...indices: readonly number[]): Size {
  return { scalars: indices };
}

/** A missing scalar gives NaN, which fits nowhere. */
export function dimOf(size: Size, { rows, scalars }: LaunchSizes): Dim {
  if (typeof size === "number") return size;
  if (size === "rows") return rows;
  return size.scalars.reduce<Dim>((product, i) => mulDims(product, scalars[i] ?? Number.NaN), 1);
}

/** `dimOf` for a launch whose symbols are replaced by numbers. */
export function sizeOf(size: Size, launch: LaunchSizes<number>): number {
  return Number(dimOf(size, launch));
}
