import { outOfRange } from "../bounds.js";

/** How many inputs of a row may share a scale, where a row has several. */
export const GROUP_SIZES = [32, 64, 128, 256] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** Throws TRITC_E_RANGE for what is no group size, of whatever type it really is. */
export function checkGroupSize(group: number | undefined): void {
  const known: readonly number[] = GROUP_SIZES;
  if (group !== undefined && !known.includes(group)) throw outOfRange("group", known.join(" or "), group);
}

/** Scales of a row of `k` codes: one, or one for each group of inputs, of which the last may be shorter. */
export function groupsOf(k: number, group: GroupSize | null): number {
  return group === null ? 1 : Math.ceil(k / group);
}

/** The shape of a matrix's scales: [rows], or [rows, groups] where a row has several. */
export function scalesShape(
  [rows = 0, k = 0]: readonly number[],
  group: GroupSize | null,
): readonly number[] {
  const groups = groupsOf(k, group);
  return groups > 1 ? [rows, groups] : [rows];
}

/**
 * The group size of scales by their shape, null where a row has one; undefined where no size gives that many. From two
 * groups on it is unambiguous: ⌈k/g⌉ is another number for each power of two g < k.
 */
export function groupSizeOf(k: number, [, groups]: readonly number[]): GroupSize | null | undefined {
  if (groups === undefined) return null;
  return GROUP_SIZES.find((size) => size < k && groupsOf(k, size) === groups);
}

/** The inputs of each group of a row, [start, end). */
export function* groupRanges(k: number, group: GroupSize | null): Generator<readonly [number, number]> {
  const step = group ?? Math.max(1, k);
  for (let start = 0; start < k; start += step) yield [start, Math.min(k, start + step)];
}
